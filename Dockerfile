# syntax=docker/dockerfile:1
# Build: the locked packages with their hashes, compiled, so that a cold start does not pay for it.
FROM python:3.11-slim AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
RUN python -m venv /opt/venv
ENV PATH=/opt/venv/bin:$PATH
COPY requirements.txt /src/requirements.txt
RUN pip install --require-hashes -r /src/requirements.txt
# The build backend comes from the same hashed lock as everything else; nothing is fetched by name alone.
COPY requirements-build.txt /src/requirements-build.txt
RUN python -m venv /opt/build && /opt/build/bin/pip install --require-hashes -r /src/requirements-build.txt
COPY pyproject.toml README.md LICENSE /src/
COPY app /src/app
COPY templates /src/templates
RUN cd /src && /opt/build/bin/python -m hatchling build -t wheel -d /dist \
    && pip install --no-deps /dist/*.whl \
    && python -m compileall -q /opt/venv/lib

# Run: no compiler, no package manager's cache, no root. git is needed for clones only, which the service does not use.
FROM python:3.11-slim
RUN useradd --create-home --uid 10001 audit && mkdir /data && chown audit /data
COPY --from=build /opt/venv /opt/venv
ENV PATH=/opt/venv/bin:$PATH PYTHONUNBUFFERED=1 INFRA_AUDIT_SQLITE=/data/infra-audit.sqlite
USER audit
WORKDIR /home/audit
VOLUME /data
EXPOSE 8080
HEALTHCHECK --interval=30s --timeout=5s CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8080/healthz', timeout=4)"]
ENTRYPOINT ["infra-audit"]
CMD ["serve"]
