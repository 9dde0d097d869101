# w2l with all its commands, for one machine and for clusters (docs/cluster.md).
#   docker build -t w2l .                                          CPU
#   docker build -t w2l:cuda --build-arg TORCH_BACKEND=cu130 .     NVIDIA GPUs
#   docker run --rm --user "$(id -u):$(id -g)" -v "$PWD:/work" w2l w2l-infer face=face.mp4 audio=speech.wav
# With GPUs add `--gpus all`; for training also `--shm-size=8g`, in which batches are handed over.
# tests/test_project_files.py has it checked by hadolint.
ARG PYTHON=3.12
FROM python:${PYTHON}-slim-bookworm

# Which build of torch: cpu, or one of CUDA's, as cu126, cu128, cu130 (uv's names). It brings CUDA's
# libraries along; the driver is the host's.
ARG TORCH_BACKEND=cpu
ARG EXTRAS=cluster,hub,onnx,vad

# What OpenCV loads. Debian's releases keep their versions.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends libgl1 libglib2.0-0 \
    && rm -rf /var/lib/apt/lists/*

WORKDIR /opt/w2l
RUN pip install --no-cache-dir "uv>=0.9,<1"
# torch apart from the sources, which change more often.
COPY constraints.txt ./
RUN uv pip install --system --no-cache --torch-backend "${TORCH_BACKEND}" \
    --constraint constraints.txt torch
COPY . .
RUN uv pip install --system --no-cache --torch-backend "${TORCH_BACKEND}" \
    --constraint constraints.txt --editable ".[${EXTRAS}]" \
    && w2l doctor

# Whoever `--user` names may write caches; files in /work are then theirs.
RUN useradd --create-home --uid 1000 w2l && chmod 1777 /home/w2l
ENV HOME=/home/w2l \
    PYTHONPATH=/opt/w2l \
    PYTHONUNBUFFERED=1
USER 1000
WORKDIR /work
CMD ["w2l", "doctor"]
