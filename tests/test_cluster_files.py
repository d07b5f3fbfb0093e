"""cluster.yaml, kuberay.yaml and docs/account.yaml: what Ray and botocore say of them without a
cloud, and that nothing is open.
"""

import copy
import re
from collections.abc import Iterator
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from botocore.session import Session
from botocore.validate import ParamValidator

from advcore.workers.pool.preconditions import prepare_environment

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "cluster.yaml").read_text()
CLUSTER = yaml.safe_load(TEXT)
TYPES = CLUSTER["available_node_types"]


class Template(yaml.SafeLoader):
    """YAML with CloudFormation's tags, each as a pair of its name and what it holds."""


Template.add_multi_constructor(
    "!", lambda loader, name, node: (name, loader.construct_scalar(node))
)
ACCOUNT = yaml.load((ROOT / "docs" / "account.yaml").read_text(), Template)
DOCS = (ROOT / "docs" / "cluster.md").read_text()
RESOURCES = ACCOUNT["Resources"]


def strings(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for part in value.values():
            yield from strings(part)
    elif isinstance(value, list | tuple):
        for part in value:
            yield from strings(part)
    else:
        yield str(value)


def as_ray_up_does(config: dict[str, Any]) -> dict[str, Any]:
    """The configuration with Ray's defaults, validated."""
    prepare_environment(local=True)  # for the tests that start Ray later in this process
    from ray.autoscaler._private.util import prepare_config, validate_config

    prepared = prepare_config(copy.deepcopy(config))
    validate_config(prepared)
    return prepared


def test_ray_up_accepts_it_as_it_stands() -> None:
    prepared = as_ray_up_does(CLUSTER)
    defaults = [
        *prepared["setup_commands"],
        *prepared["head_setup_commands"],
        *prepared["head_start_ray_commands"],
    ]
    assert not [command for command in defaults if "wheel" in command or "0.0.0.0" in command], (
        "Ray's own defaults came in"
    )


@pytest.mark.parametrize("where", ["", "gpu"])
def test_ray_refuses_a_misspelt_key(where: str) -> None:
    wrong = copy.deepcopy(CLUSTER)
    (wrong["available_node_types"][where] if where else wrong)["max_worker"] = 3
    with pytest.raises(jsonschema.ValidationError, match="max_worker"):
        as_ray_up_does(wrong)


@pytest.mark.parametrize("kind", TYPES)
def test_ec2_knows_every_setting_of_its_machines(kind: str) -> None:
    shape = Session().get_service_model("ec2").operation_model("RunInstances").input_shape
    asked = {**TYPES[kind]["node_config"], "MinCount": 1, "MaxCount": 1}
    assert ParamValidator().validate(asked, shape).generate_report() == ""
    assert (
        "Unknown parameter"
        in ParamValidator().validate({**asked, "Image": "ami"}, shape).generate_report()
    )


def test_the_cluster_is_closed_to_the_world() -> None:
    assert "0.0.0.0" not in TEXT
    starts = [
        command
        for name in ("head", "worker")
        for command in CLUSTER[f"{name}_start_ray_commands"]
        if "ray start" in command
    ]
    assert len(starts) == 2
    assert all(
        "RAY_AUTH_MODE=token ray start" in command.replace("RAY_USAGE_STATS_ENABLED=0 ", "")
        for command in starts
    )
    assert "--dashboard-host=127.0.0.1" in starts[0]
    for kind in TYPES.values():
        config = kind["node_config"]
        assert config["SecurityGroupIds"], "else Ray makes one that lets the world in"
        assert config["IamInstanceProfile"], "else Ray makes one that may do anything"
        assert config["MetadataOptions"]["HttpTokens"] == "required"
    assert not [word for word in strings(CLUSTER) if re.search(r"AKIA|aws_secret|AWS_SECRET", word)]


def test_workers_are_spot_gpus_from_none_upwards_beside_a_head_that_measures_nothing() -> None:
    head, gpu = TYPES[CLUSTER["head_node_type"]], TYPES["gpu"]
    assert (head["resources"], gpu["min_workers"], CLUSTER["provider"]["cache_stopped_nodes"]) == (
        {"CPU": 0},
        0,
        False,
    )
    assert gpu["node_config"]["InstanceMarketOptions"] == {"MarketType": "spot"}
    assert gpu["max_workers"] == CLUSTER["max_workers"] > 0


def test_processes_that_wait_have_imported_what_a_worker_needs() -> None:
    settings = {
        "RAY_preload_python_modules": "advcore.workers.pool.preloaded",
        "RAY_enable_worker_prestart": "1",
    }
    assert find_spec(settings["RAY_preload_python_modules"])
    start = CLUSTER["worker_start_ray_commands"][-1]
    assert all(f"{name}={value}" in start for name, value in settings.items())
    group = yaml.safe_load((ROOT / "kuberay.yaml").read_text())["spec"]["rayClusterSpec"][
        "workerGroupSpecs"
    ][0]
    assert {
        entry["name"]: entry["value"] for entry in group["template"]["spec"]["containers"][0]["env"]
    } == settings
    assert all(
        " ".join(f"{name}={value}" for name, value in settings.items()) in text
        for text in (start, DOCS)
    )


def test_all_that_the_installation_needs_is_copied() -> None:
    mounts = {Path(remote).name: local for remote, local in CLUSTER["file_mounts"].items()}
    ours = [local for local in mounts.values() if local.startswith("./")]
    assert all((ROOT / local).exists() for local in ours)
    packages = ["advcore", "workers", "pipelines"]
    assert all(f'"{package}*"' in (ROOT / "setup.py").read_text() for package in packages)
    assert {
        *packages,
        "pyproject.toml",
        "setup.py",
        "requirements.lock",
        "Makefile",
        "README.md",
        "LICENSE",
        "auth_token",
    } == set(mounts)
    assert ".venv/ready" in " ".join(CLUSTER["setup_commands"])
    docker = (ROOT / "Dockerfile").read_text()
    assert all(name in docker for name in {*mounts} - {"Makefile", "auth_token"})


@pytest.mark.parametrize("file", ["cluster.yaml", "kuberay.yaml"])
def test_every_line_that_must_be_changed_is_marked(file: str) -> None:
    lines = (ROOT / file).read_text().splitlines()
    placeholders = [
        number
        for number, line in enumerate(lines)
        if re.search(r"-0{17}|example|serviceAccountName", line) and "#" not in line[:1]
    ]
    assert placeholders
    for number in placeholders:
        above = " ".join(
            line for line in lines[max(0, number - 3) : number] if line.lstrip().startswith("#")
        )
        assert "CHANGE" in lines[number] + above, lines[number]


def test_the_account_gives_what_the_cluster_names_and_no_more() -> None:
    profiles = {
        entry["Properties"]["InstanceProfileName"]
        for entry in RESOURCES.values()
        if "InstanceProfile" in entry["Type"]
    }
    assert profiles == {
        kind["node_config"]["IamInstanceProfile"]["Name"] for kind in TYPES.values()
    }
    assert {"Image", "SecurityGroup", "Bucket"} == set(ACCOUNT["Outputs"])
    ingress = RESOURCES["SecurityGroup"]["Properties"]["SecurityGroupIngress"]
    assert ingress == [
        {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "CidrIp": ("Ref", "Address")}
    ]
    pattern = ACCOUNT["Parameters"]["Address"]["AllowedPattern"]
    assert re.match(pattern, "203.0.113.7/32")
    assert not [
        wide for wide in ("0.0.0.0/0", "0.0.0.0/24", "10.0.0.0/8") if re.match(pattern, wide)
    ]
    assert all(RESOURCES["Bucket"]["Properties"]["PublicAccessBlockConfiguration"].values())
    tagged = RESOURCES["HeadRole"]["Properties"]["Policies"][0]["PolicyDocument"]["Statement"][2][
        "Condition"
    ]["StringEquals"]
    assert tagged == {"ec2:ResourceTag/ray-cluster-name": CLUSTER["cluster_name"]}
    assert not [word for word in strings(RESOURCES) if word in ("*:*", "s3:*", "ec2:*", "iam:*")]


KUBERAY = {
    "job": "activeDeadlineSeconds backoffLimit clusterSelector deletionStrategy entrypoint "
    "entrypointNumCpus entrypointNumGpus "
    "entrypointResources jobId managedBy metadata rayClusterSpec runtimeEnvYAML "
    "shutdownAfterJobFinishes submissionMode "
    "submitterConfig submitterPodTemplate suspend ttlSecondsAfterFinished",
    "cluster": "authOptions autoscalerOptions enableInTreeAutoscaling gcsFaultToleranceOptions "
    "headGroupSpec "
    "headServiceAnnotations managedBy rayVersion suspend workerGroupSpecs",
    "head": "enableIngress headService rayStartParams serviceType template",
    "worker": "groupName idleTimeoutSeconds maxReplicas minReplicas "
    "numOfHosts rayStartParams replicas "
    "scaleStrategy suspend "
    "template",
}
"""The fields of KubeRay's API reference, ray.io/v1; an unknown one is dropped in silence by
Kubernetes."""


def test_the_rayjob_has_only_fields_that_kuberay_knows() -> None:
    job = yaml.safe_load((ROOT / "kuberay.yaml").read_text())
    assert (job["apiVersion"], job["kind"]) == ("ray.io/v1", "RayJob")
    cluster = job["spec"]["rayClusterSpec"]
    head, workers = cluster["headGroupSpec"], cluster["workerGroupSpecs"]
    for known, given in [
        ("job", job["spec"]),
        ("cluster", cluster),
        ("head", head),
        *(("worker", group) for group in workers),
    ]:
        assert given.keys() <= set(KUBERAY[known].split())
    assert cluster["rayVersion"] == version("ray")
    assert cluster["authOptions"] == {"mode": "token"}
    assert head["serviceType"] == "ClusterIP"
    assert all(
        isinstance(value, str)
        for group in (head, *workers)
        for value in group["rayStartParams"].values()
    )
    pods = [group["template"]["spec"]["containers"][0] for group in (head, *workers)]
    assert len({pod["image"] for pod in pods}) == 1
    assert all(pod["resources"]["requests"] == pod["resources"]["limits"] for pod in pods)
    assert pods[1]["resources"]["limits"]["nvidia.com/gpu"] == "1"


def test_the_ten_commands_are_ten_and_name_what_there_is() -> None:
    text = (ROOT / "docs" / "cluster.md").read_text()
    block = re.findall(r"```sh\n(.*?)```", text, re.DOTALL)[0].replace("\\\n", " ")
    commands = [line for line in block.splitlines() if line.strip() and not line.startswith("#")]
    assert len(commands) == 10
    assert all(
        word in block
        for word in (
            "ray up",
            "ray job submit",
            "advcore ui",
            "ray down",
            "docs/account.yaml",
            "cluster.yaml",
        )
    )
    for name in re.findall(r"`([\w./-]+\.(?:yaml|md))`", text):
        assert (ROOT / name).is_file() or name == "study.yaml", name
