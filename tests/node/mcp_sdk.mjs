// @modelcontextprotocol/sdk with its own OAuth client: discover, register, list, call, refresh, be revoked and refused.
import { UnauthorizedError } from "@modelcontextprotocol/sdk/client/auth.js";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { ask, facts, tell } from "./talk.mjs";

const kept = { saves: 0, walks: 0 };
const provider = {
  redirectUrl: facts.callback,
  clientMetadata: {
    client_name: "TypeScript MCP test",
    redirect_uris: [facts.callback],
    grant_types: ["authorization_code", "refresh_token"],
    response_types: ["code"],
    token_endpoint_auth_method: "none",
  },
  state: () => "state-of-the-test",
  clientInformation: () => kept.client,
  saveClientInformation: (client) => { kept.client = client; },
  tokens: () => kept.tokens,
  saveTokens: (tokens) => { kept.tokens = tokens; kept.saves += 1; },
  redirectToAuthorization: (url) => { kept.url = url; kept.walks += 1; },
  saveCodeVerifier: (verifier) => { kept.verifier = verifier; },
  codeVerifier: () => kept.verifier,
  invalidateCredentials: (scope) => { if (scope !== "verifier") { kept.tokens = undefined; } if (scope === "all" || scope === "client") { kept.client = undefined; } },
};

const newTransport = () => new StreamableHTTPClientTransport(new URL(facts.mcp_url), { authProvider: provider });

async function connect() {
  const client = new Client({ name: "test", version: "1.0.0" });
  await client.connect(newTransport());
  return client;
}

let unauthorized = false;
try {
  await connect();
} catch (error) {
  unauthorized = error instanceof UnauthorizedError;
}
const { code } = await ask("open", { url: String(kept.url) });
await newTransport().finishAuth(code);

const client = await connect();
const tools = (await client.listTools()).tools.map((tool) => tool.name);
const answer = await client.callTool({ name: "query_metrics", arguments: { metric: "revenue", last_n_days: 30 } });

const first = kept.tokens.access_token;
kept.tokens = { ...kept.tokens, access_token: first.slice(0, -8) + "AAAAAAAA" };
await client.callTool({ name: "list_projects", arguments: {} });
const refreshed = kept.saves === 2 && kept.tokens.access_token !== first;

await ask("revoke", { client_id: kept.client.client_id });
let refused = false;
try {
  await client.callTool({ name: "list_projects", arguments: {} });
} catch (error) {
  refused = error instanceof UnauthorizedError && kept.walks === 2;
}
tell({ unauthorized, tools, total: answer.structuredContent.total, refreshed, refused, client: kept.client });
