# All images of the project, one target each:
#
#     docker build --target bff-service .    the service
#     docker build --target envoy .          Envoy with the filter, /etc/envoy/bff_filter.wasm
#
# and those of the demo, which docker-compose.yml starts. No image has a shell, and none runs as root.

ARG RUST=rust:1.95.0-bookworm
ARG NODE=node:24-bookworm-slim
ARG ENVOY=envoyproxy/envoy:distroless-v1.40.0
ARG PROGRAMS=gcr.io/distroless/cc-debian12:nonroot
ARG NODE_PROGRAMS=gcr.io/distroless/nodejs24-debian12:nonroot

FROM ${NODE} AS node
FROM ${ENVOY} AS envoy-release

# The sources, and Rust as in rust-toolchain.toml.
FROM ${RUST} AS sources
# The image's own toolchain: the components for development are not fetched.
ENV RUSTUP_TOOLCHAIN=1.95.0
WORKDIR /src
COPY . .

# The programs. COMMIT is for `bff-service --version`: --build-arg COMMIT=$(git rev-parse HEAD)
FROM sources AS programs
ARG COMMIT=
ENV BFF_COMMIT=${COMMIT}
RUN --mount=type=cache,target=/usr/local/cargo/registry,id=programs-registry \
    --mount=type=cache,target=/src/target,id=programs \
    cargo build --locked --release --package bff-service --package demo-api --package demo-web-host --package demo-system \
    && mkdir -p /programs \
    && cp target/release/bff-service target/release/demo-api target/release/demo-web-host \
          target/release/demo-containers /programs/
# The mount points of volumes, which take the owner from here.
RUN mkdir -p /folders/data /folders/setup/state /folders/setup/envoy /folders/setup/bff \
             /folders/setup/authorization-server /folders/setup/public

# The filter. wasm-opt needs Node.js.
FROM sources AS filter
COPY --from=node /usr/local/bin/node /usr/local/bin/node
COPY --from=node /usr/local/lib/node_modules /usr/local/lib/node_modules
RUN ln -s ../lib/node_modules/npm/bin/npm-cli.js /usr/local/bin/npm
# If rustup cannot install it, the next step tries another way, or fails with a message.
RUN rustup target add wasm32-unknown-unknown || true
RUN --mount=type=cache,target=/usr/local/cargo/registry,id=filter-registry \
    --mount=type=cache,target=/src/target,id=filter \
    cargo xtask wasm && cp target/wasm/bff_filter.wasm /bff_filter.wasm

FROM node AS spa
WORKDIR /src
COPY . .
RUN --mount=type=cache,target=/root/.npm cd demo/spa && npm ci --no-audit --no-fund && npm run build

FROM node AS authorization-server
WORKDIR /app
COPY demo/authorization-server/package.json demo/authorization-server/package-lock.json ./
RUN --mount=type=cache,target=/root/.npm npm ci --omit=dev --no-audit --no-fund
COPY demo/authorization-server .

# The service. Its configuration is mounted: --config names it.
FROM ${PROGRAMS} AS bff-service
COPY --from=programs /programs/bff-service /usr/local/bin/bff-service
# Not root, and a number, so that Kubernetes can verify it.
USER 65532:65532
ENTRYPOINT ["/usr/local/bin/bff-service"]
CMD ["--config", "/etc/bff/bff.toml"]

# Envoy with the filter.
FROM ${PROGRAMS} AS envoy
COPY --from=envoy-release /usr/local/bin/envoy /usr/local/bin/envoy
COPY --from=filter /bff_filter.wasm /etc/envoy/bff_filter.wasm
USER 65532:65532
ENTRYPOINT ["/usr/local/bin/envoy"]
CMD ["-c", "/etc/envoy/envoy.yaml"]

# The same for the demo: the filter's secrets are in a file.
FROM envoy AS demo-envoy
COPY --from=programs /programs/demo-containers /usr/local/bin/demo-containers
ENTRYPOINT ["/usr/local/bin/demo-containers", "exec", "--env-file", "/run/envoy/envoy.env", "--", "/usr/local/bin/envoy"]
CMD ["-c", "/run/envoy/envoy.yaml"]

# Writes the certificates and secrets that are missing, and the configuration.
FROM ${PROGRAMS} AS demo-setup
COPY --from=programs /programs/demo-containers /usr/local/bin/demo-containers
COPY --from=programs --chown=65532:65532 /folders/setup /setup
USER 65532:65532
ENTRYPOINT ["/usr/local/bin/demo-containers"]
CMD ["setup", "/setup"]

FROM ${PROGRAMS} AS demo-api
COPY --from=programs /programs/demo-api /programs/demo-containers /usr/local/bin/
USER 65532:65532
ENTRYPOINT ["/usr/local/bin/demo-api"]

FROM ${PROGRAMS} AS demo-web-host
COPY --from=programs /programs/demo-web-host /programs/demo-containers /usr/local/bin/
COPY --from=spa /src/demo/spa/dist /srv/spa
ENV CONTENT_DIR=/srv/spa
USER 65532:65532
ENTRYPOINT ["/usr/local/bin/demo-web-host"]

FROM ${NODE_PROGRAMS} AS demo-authorization-server
COPY --from=authorization-server /app /app
COPY --from=programs --chown=65532:65532 /folders/data /data
WORKDIR /app
ENV NODE_ENV=production DATABASE_FILE=/data/authorization-server.sqlite
USER 65532:65532
CMD ["server.mjs"]
