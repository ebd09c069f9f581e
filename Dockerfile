# The images of kvcache: one for shards, routers, the operator, the command line and the examples, which differ only in
# their arguments; and one of Azurite, to try things out without a storage account.
#
#   docker build --tag kvcache .
#   docker build --tag kvcache-azurite --target azurite .
#
# Dependencies are exactly those of package-lock.json. The Node that the lockfile pins for machines is left out, because
# the base image is that Node. There is no build step: Node runs the TypeScript as it stands, and the stage `program`
# keeps what it compiles, so that a container starts as fast as from JavaScript.
#
# Written for every builder since Docker 20.10: no `RUN --mount`, no `COPY --chmod`, no syntax line.

ARG NODE_IMAGE=node:26-bookworm-slim

FROM ${NODE_IMAGE} AS everything
WORKDIR /opt/kvcache
COPY package.json package-lock.json ./
RUN npm ci --omit=dev --omit=optional --ignore-scripts --no-audit --no-fund --no-update-notifier
# Maps and declarations are for people who edit these packages; nothing reads them at run time.
RUN find node_modules -type f \( -name '*.map' -o -name '*.d.ts' -o -name '*.d.mts' -o -name '*.d.cts' \) -delete

FROM everything AS azurite-dependencies
RUN azurite=$(npm pkg get dependencies.azurite) \
 && npm pkg delete dependencies \
 && npm pkg set dependencies.azurite="$azurite" --json \
 && npm prune --omit=dev --omit=optional --ignore-scripts --no-audit --no-fund --no-update-notifier --offline

FROM everything AS dependencies
RUN npm pkg delete dependencies.azurite \
 && npm prune --omit=dev --omit=optional --ignore-scripts --no-audit --no-fund --no-update-notifier --offline

FROM ${NODE_IMAGE} AS azurite
LABEL org.opencontainers.image.title="kvcache-azurite" \
      org.opencontainers.image.description="Azurite, the emulator of Azure Blob Storage, to try kvcache out with" \
      org.opencontainers.image.licenses="MIT"
WORKDIR /opt/azurite
COPY --from=azurite-dependencies /opt/kvcache/node_modules ./node_modules
RUN mkdir /data && chown node:node /data
ENV NODE_ENV=production
USER 1000:1000
VOLUME /data
EXPOSE 10000
ENTRYPOINT ["node", "/opt/azurite/node_modules/azurite/dist/src/blob/main.js"]
# By default a host name with a dot, such as that of a Service, would be read as ACCOUNT.HOST.
CMD ["--blobHost", "0.0.0.0", "--blobPort", "10000", "--location", "/data", "--disableProductStyleUrl", "--skipApiVersionCheck", "--disableTelemetry", "--silent"]

FROM ${NODE_IMAGE} AS program
WORKDIR /opt/kvcache
COPY . .
COPY --from=dependencies /opt/kvcache/node_modules ./node_modules
# Node names the folder after the user it runs as, and reads a cache that it may not write. Importing a server compiles
# all that it needs and starts nothing.
RUN mkdir compiled && chown node:node compiled
USER 1000:1000
ENV NODE_COMPILE_CACHE=/opt/kvcache/compiled
RUN node cli/main.ts version \
 && for server in shard router operator; do \
      node --input-type=module --eval "await import('/opt/kvcache/$server/main.ts'); process.exit()" || exit 1; \
    done
USER root
RUN rm -rf node_modules && chown -R root:root compiled && chmod -R a+rX compiled

FROM ${NODE_IMAGE} AS kvcache
ARG VERSION=0.1.0
ARG REVISION=unknown
ARG CREATED=unknown
LABEL org.opencontainers.image.title="kvcache" \
      org.opencontainers.image.description="The shared prompt-block and key-value cache under LLM serving: RAM over a log on disk over Azure Blob" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.created="${CREATED}"
COPY --from=dependencies /opt/kvcache/node_modules /opt/kvcache/node_modules
COPY --from=program /opt/kvcache /opt/kvcache
# The launcher of bin/ looks for a Node and installs dependencies; here both are there, and the server is process 1.
RUN printf '#!/bin/sh\nexec node /opt/kvcache/cli/main.ts "$@"\n' > /usr/local/bin/kvcache \
 && chmod 755 /usr/local/bin/kvcache \
 && mkdir /var/lib/kvcache && chown node:node /var/lib/kvcache
# What a process reads before its first line runs, as bin/launcher.js sets it; a test keeps the two equal.
ENV NODE_ENV=production \
    NODE_COMPILE_CACHE=/opt/kvcache/compiled \
    UV_THREADPOOL_SIZE=16 \
    MALLOC_ARENA_MAX=2 \
    MALLOC_MMAP_THRESHOLD_=131072 \
    MALLOC_TRIM_THRESHOLD_=131072 \
    NODE_OPTIONS=--max-semi-space-size=8
USER 1000:1000
WORKDIR /var/lib/kvcache
# gRPC, HTTP (health, metrics), the link between shards and routers.
EXPOSE 50051 8080 6379 6380 7051
ENTRYPOINT ["kvcache"]
CMD ["help"]
