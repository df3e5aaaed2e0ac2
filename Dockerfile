# One image for all processes; the command chooses which. Built in one stage, run in another without compiler or tests.
FROM node:22-slim AS build
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci --no-audit --no-fund
COPY tsconfig.json tsconfig.build.json ./
COPY schemas schemas
COPY ingest ingest
COPY processor processor
COPY query-api query-api
COPY infra infra
RUN npm run build

FROM node:22-slim AS dependencies
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
# No package of the running image needs an install script.
RUN npm ci --omit=dev --ignore-scripts --no-audit --no-fund && npm cache clean --force

FROM node:22-slim
ENV NODE_ENV=production
WORKDIR /app
COPY --from=dependencies /app/node_modules node_modules
COPY --from=build /app/dist dist
COPY package.json LICENSE ./
USER node
# Players; query API and dashboard; metrics of ingest, processor, query API.
EXPOSE 8080 8081 9464 9465 9466
# No shell and no npm in between: SIGTERM reaches the process.
CMD ["node", "dist/ingest/main.js"]
