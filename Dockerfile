# The product's image: `docker build -t event-stream-processor .`, then `docker run -p 127.0.0.1:3000:3000 -v esp:/data …`
# runs it embedded; compose.yaml runs it on Kafka, PostgreSQL and Redis. It runs as the user `node` and writes to /data alone,
# and there only when embedded, so the root file system may be read-only.

# The Node that package.json pins; the packages that bring it to other machines are left out below.
ARG NODE_IMAGE=node:26.10.0-trixie-slim

FROM ${NODE_IMAGE} AS build
WORKDIR /build
COPY package.json package-lock.json ./
RUN npm ci --ignore-scripts --no-audit --no-fund
COPY . .
RUN npm run build

FROM ${NODE_IMAGE} AS dependencies
WORKDIR /app
COPY package.json package-lock.json ./
RUN npm ci --omit=dev --ignore-scripts --no-audit --no-fund \
  && rm -rf node_modules/node-linux-* node_modules/.bin/node

FROM ${NODE_IMAGE}
ENV NODE_ENV=production HOST=0.0.0.0 PORT=3000 ESP_DATA_DIR=/data
WORKDIR /app
COPY --from=dependencies /app/node_modules node_modules
COPY --from=build /build/package.json /build/LICENSE /build/README.md ./
COPY --from=build /build/bin bin
COPY --from=build /build/dist dist
COPY --from=build /build/dashboard/dist dashboard/dist
COPY --from=build /build/migrations migrations
RUN ln -s /app/bin/esp.js /usr/local/bin/esp && install -d -o node -g node /data
USER node
VOLUME /data
EXPOSE 3000
HEALTHCHECK --interval=5s --timeout=5s --start-period=30s \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.PORT}/health/live`).then(({ ok }) => process.exit(ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["node", "bin/esp.js"]
CMD ["start"]
