# What every machine of kuberay.yaml runs: advcore with exactly what requirements.lock pins, CUDA's libraries among it.
FROM python:3.12-slim
RUN apt-get update -qq && apt-get install -yqq --no-install-recommends wget && rm -rf /var/lib/apt/lists/* \
    && pip install --no-cache-dir uv && useradd --uid 1000 --create-home ray
WORKDIR /advcore
COPY pyproject.toml setup.py requirements.lock README.md LICENSE ./
COPY advcore advcore
COPY workers workers
COPY pipelines pipelines
RUN uv pip install --system --no-cache --compile-bytecode --constraint requirements.lock ".[demo]"
# compiled, for the user below cannot write beside the modules, and each import would compile them anew: twice the time
USER 1000
WORKDIR /home/ray
