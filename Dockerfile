# syntax=docker/dockerfile:1
# Build: the locked packages, each checked by its hash, and compiled so that a cold start does not pay for it.
FROM python:3.11-slim AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
RUN python -m venv /opt/venv
COPY requirements.txt /src/requirements.txt
RUN /opt/venv/bin/pip install --require-hashes -r /src/requirements.txt
COPY app /opt/infra-audit/app
COPY templates /opt/infra-audit/templates
COPY app.yml /opt/infra-audit/app.yml
RUN /opt/venv/bin/python -m compileall -q /opt/venv/lib /opt/infra-audit/app

# Run: no compiler, no cache of a package manager, no root; only /data (and /tmp) is written, so the rest may be read-only. git serves `infra-audit audit --repo`.
FROM python:3.11-slim
RUN apt-get update && apt-get install -y --no-install-recommends git && rm -rf /var/lib/apt/lists/* \
    && useradd --create-home --uid 10001 audit && mkdir /data && chown audit /data
COPY --from=build /opt/venv /opt/venv
COPY --from=build /opt/infra-audit /opt/infra-audit
ENV PATH=/opt/venv/bin:$PATH PYTHONPATH=/opt/infra-audit PYTHONUNBUFFERED=1 \
    INFRA_AUDIT_STORE=/data/infra-audit.db INFRA_AUDIT_HOST=0.0.0.0
USER 10001
WORKDIR /home/audit
VOLUME /data
EXPOSE 8080
# Not of `worker`, which listens nowhere: start that one with --no-healthcheck.
HEALTHCHECK --interval=30s --timeout=5s --start-period=20s \
    CMD ["python", "-c", "import os, urllib.request as u; u.urlopen('http://127.0.0.1:' + os.environ.get('INFRA_AUDIT_PORT', '8080') + '/health', timeout=4)"]
ENTRYPOINT ["python", "-m", "app.cli"]
CMD ["serve"]
