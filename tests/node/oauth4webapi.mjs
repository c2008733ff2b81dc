// oauth4webapi, the strictest of clients: every answer is validated against the specifications.
import * as oauth from "oauth4webapi";
import { ask, facts, tell } from "./talk.mjs";

const loopback = { [oauth.allowInsecureRequests]: true };
const issuer = new URL(facts.issuer);

const resource = new URL(facts.mcp_url);
const prm = await oauth.processResourceDiscoveryResponse(resource, await oauth.resourceDiscoveryRequest(resource, loopback));
const as = await oauth.processDiscoveryResponse(issuer, await oauth.discoveryRequest(issuer, { algorithm: "oauth2", ...loopback }));
const metadata = { client_name: "oauth4webapi test", redirect_uris: [facts.callback], token_endpoint_auth_method: "none" };
const client = await oauth.processDynamicClientRegistrationResponse(await oauth.dynamicClientRegistrationRequest(as, metadata, loopback));

const verifier = oauth.generateRandomCodeVerifier();
const state = oauth.generateRandomState();
const url = new URL(as.authorization_endpoint);
for (const [name, value] of Object.entries({
  client_id: client.client_id, redirect_uri: facts.callback, response_type: "code", scope: "account:read projects:query offline_access", state,
  code_challenge: await oauth.calculatePKCECodeChallenge(verifier), code_challenge_method: "S256", resource: String(resource),
})) url.searchParams.set(name, value);
const answered = await ask("open", { url: String(url) });
const parameters = oauth.validateAuthResponse(as, client, new URLSearchParams(answered), state);

const exchange = await oauth.authorizationCodeGrantRequest(as, client, oauth.None(), parameters, facts.callback, verifier, loopback);
const tokens = await oauth.processAuthorizationCodeResponse(as, client, exchange);
const claims = await oauth.validateJwtAccessToken(
  as, new Request(resource, { headers: { authorization: `Bearer ${tokens.access_token}` } }), String(resource), loopback,
);

const refreshRequest = (token) => oauth.refreshTokenGrantRequest(as, client, oauth.None(), token, loopback);
const next = await oauth.processRefreshTokenResponse(as, client, await refreshRequest(tokens.refresh_token));

const call = (token) => oauth.protectedResourceRequest(
  token, "POST", resource, new Headers({ "content-type": "application/json", accept: "application/json, text/event-stream" }),
  JSON.stringify({ jsonrpc: "2.0", id: 1, method: "tools/call", params: { name: "query_metrics", arguments: { metric: "revenue", last_n_days: 30 } } }),
  loopback,
);
const answer = await (await call(next.access_token)).json();

await oauth.processRevocationResponse(await oauth.revocationRequest(as, client, oauth.None(), next.refresh_token, loopback));
let refused = null, challenge = null;
try {
  await oauth.processRefreshTokenResponse(as, client, await refreshRequest(next.refresh_token));
} catch (error) {
  refused = error.error;
}
try {
  await call(next.access_token);
} catch (error) {
  challenge = error.cause?.[0]?.parameters?.error ?? String(error);
}
tell({
  prm, scope: tokens.scope, claims, rotated: next.refresh_token !== tokens.refresh_token, total: answer.result.structuredContent.total, refused, challenge,
});
