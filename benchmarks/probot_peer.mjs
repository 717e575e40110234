// Probot as a receiver: verifies, parses, hands the event to a handler that counts. It stores nothing.
// node benchmarks/probot_peer.mjs DIRECTORY PORT SECRET PRIVATE_KEY_FILE
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const [directory, port, secret, key] = process.argv.slice(2);
const { createNodeMiddleware, Probot } = await import(
  pathToFileURL(join(directory, "node_modules", "probot", "lib", "index.js"))
);
let seen = 0;
const probot = new Probot({ appId: 1, privateKey: readFileSync(key, "utf8"), secret, logLevel: "fatal" });
const middleware = await createNodeMiddleware((app) => app.on("issues.labeled", () => void (seen += 1)), {
  probot,
  webhooksPath: "/webhooks/github",
});
createServer(middleware).listen(Number(port), "127.0.0.1");
