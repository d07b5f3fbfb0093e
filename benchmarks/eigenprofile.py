"""The whole eigenprofile of a ReLU network, D = 784: the low-rank path with its check against D
Hessian products.
"""

from advcore.curvature import eigenprofile
from benchmarks.setting import digits, machine, seconds, trained_lenet


def main() -> None:
    network, (images, labels) = trained_lenet(), digits("test", 32)
    fast = seconds(lambda: eigenprofile(network, images, labels))
    slow = seconds(lambda: eigenprofile(network, images, labels, path="products"), repeats=1)
    low = eigenprofile(network, images, labels).values
    exact = eigenprofile(network.double(), images.double(), labels, path="products").values
    difference = ((low - exact).abs().amax(1) / exact[:, 0]).max().item()
    print(f"eigenprofile, LeNet, D = 784, 32 digits ({machine()})")
    print(f"  D Hessian products {32 / slow:8.1f} samples/s")
    speed = f"{32 / fast:8.1f} samples/s, {slow / fast:.0f} times"
    print(
        f"  advcore            {speed}; within {difference:.1e} of the top eigenvalue of a "
        "float64 Hessian"
    )


if __name__ == "__main__":
    main()
