# The processes of vmgroup: docker build -t vmgroup .
# Debian, because the native part of Temporal's SDK is built for glibc.
FROM node:20-bookworm-slim AS build
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci --ignore-scripts
COPY . .
RUN npm run build

FROM node:20-bookworm-slim AS modules
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
# Without the native parts for other systems, and what only people and debuggers read.
RUN npm ci --omit=dev --ignore-scripts \
  && cd node_modules/@temporalio/core-bridge && rm -rf sdk-core src \
  && find releases -mindepth 1 -maxdepth 1 ! -name "$(uname -m)-unknown-linux-gnu" -exec rm -rf {} + \
  && cd /app && find node_modules -type f \( -name '*.map' -o -name '*.d.ts' -o -name '*.d.cts' -o -name '*.d.mts' \) -delete

FROM node:20-bookworm-slim
LABEL org.opencontainers.image.title="vmgroup" \
  org.opencontainers.image.description="Starts, stops and fails over groups of virtual machines in order, as durable Temporal workflows." \
  org.opencontainers.image.licenses="Apache-2.0"
# By which a Temporal server with TLS is known.
RUN apt-get update && apt-get install --yes --no-install-recommends ca-certificates && rm -rf /var/lib/apt/lists/*
WORKDIR /app
ENV NODE_ENV=production
COPY LICENSE package.json ./
COPY --from=modules /app/node_modules ./node_modules
COPY --from=build /app/dist ./dist
RUN ln -s /app/dist/cli/main.js /usr/local/bin/vmgroup && install --directory --owner=65532 --group=65532 /data
# A number, so that Kubernetes sees that it is not root. Nothing is written but under /data, and there only what --data says.
USER 65532:65532
ENTRYPOINT ["vmgroup"]
CMD ["--help"]
