# The agent as an image. It needs no CUDA base image: the NVIDIA container runtime adds the driver's libraries from the
# host. They need glibc (no Alpine).
FROM python:3.12-slim-bookworm

# Both are read by the NVIDIA container runtime, not by the agent: all GPUs, with NVML ("utility").
ENV NVIDIA_VISIBLE_DEVICES=all \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility \
    PYTHONUNBUFFERED=1

WORKDIR /app

# A layer of its own, which stays cached until a version changes.
COPY requirements.txt ./
RUN python -m pip install --no-cache-dir --require-hashes --requirement requirements.txt

COPY main.py ./
COPY agent/ agent/
# The user below may not write, so byte code is compiled now; and files of a checkout may be unreadable for it.
RUN python -m compileall -q main.py agent && chmod -R a+rX .

# A number, because a compose file may mount the host's /etc/passwd over the image's own.
USER 10001:10001

# The default of PORT. Set another one with `--env PORT=…` rather than `--port`: HEALTHCHECK sees only the former.
EXPOSE 8000

# Requests /health at PORT under URL_PREFIX with the image's Python, because the image has no curl.
HEALTHCHECK --interval=30s --timeout=5s --start-period=15s --retries=3 \
    CMD ["python", "-m", "agent.server.probe"]

# Without a shell in between, so that the agent is pid 1 and SIGTERM reaches it: it ends within two seconds, with 0.
ENTRYPOINT ["python", "main.py"]
