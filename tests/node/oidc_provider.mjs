// A real OpenID provider on 127.0.0.1 whose next person, keys and clock the tests choose by POST /control.
import { createServer } from "node:http";
import { generateKeyPairSync, randomBytes } from "node:crypto";
import Provider from "oidc-provider";

const facts = JSON.parse(process.argv[2]);
const realNow = Date.now.bind(Date);
let skew = 0;
Date.now = () => realNow() + skew * 1000;

let person = { sub: "nobody" };
let idTokenClaims = false;
let handle;

function key() {
  const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  return { ...privateKey.export({ format: "jwk" }), kid: randomBytes(6).toString("hex"), alg: "ES256", use: "sig" };
}

function rsaKey() {
  const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  return { ...privateKey.export({ format: "jwk" }), kid: randomBytes(6).toString("hex"), alg: "RS256", use: "sig" };
}

function begin(issuer, alg) {
  const provider = new Provider(issuer, {
    clients: [{
      client_id: facts.client_id, client_secret: facts.client_secret, redirect_uris: [facts.redirect_uri], response_types: ["code"],
      grant_types: ["authorization_code"], id_token_signed_response_alg: alg, token_endpoint_auth_method: facts.auth_method,
    }],
    jwks: { keys: [alg === "RS256" ? rsaKey() : key()] },
    claims: { openid: ["sub"], email: ["email", "email_verified"], profile: ["name"], groups: ["groups"] },
    scopes: ["openid", "email", "profile", "groups"],
    conformIdTokenClaims: !idTokenClaims,
    features: { devInteractions: { enabled: false }, userinfo: { enabled: true } },
    interactions: { url: (_, interaction) => `/interaction/${interaction.uid}` },
    pkce: { required: () => true },
    cookies: { keys: [randomBytes(16).toString("hex")] },
    findAccount: (_, sub) => ({ accountId: sub, claims: () => ({ ...person, sub }) }),
    ttl: { Interaction: 600, Session: 600, Grant: 600, IdToken: 600, AccessToken: 600 },
    renderError: (ctx, out) => { ctx.type = "json"; ctx.body = out; },
  });
  const callback = provider.callback();
  return async (request, response) => {
    if (!request.url.startsWith("/interaction/")) { callback(request, response); return; }
    if (person.refuses) { await provider.interactionFinished(request, response, { error: "access_denied" }); return; }
    const { params, grantId } = await provider.interactionDetails(request, response);
    const grant = grantId ? await provider.Grant.find(grantId) : new provider.Grant({ accountId: person.sub, clientId: params.client_id });
    grant.addOIDCScope(params.scope);
    const result = { login: { accountId: person.sub }, consent: { grantId: await grant.save() } };
    await provider.interactionFinished(request, response, result, { mergeWithLastSubmission: false });
  };
}

const server = createServer(async (request, response) => {
  try {
    if (request.url !== "/control") { await handle(request, response); return; }
    let body = "";
    for await (const part of request) body += part;
    const wanted = JSON.parse(body);
    if (wanted.person) person = wanted.person;
    if (wanted.skew !== undefined) skew = wanted.skew;
    if (wanted.id_token_claims !== undefined) idTokenClaims = wanted.id_token_claims;
    if (wanted.restart) handle = begin(issuer, wanted.alg ?? "ES256");
    response.end("{}");
  } catch (error) {
    response.statusCode = 500;
    response.end(String(error));
  }
});
server.listen(0, "127.0.0.1");
await new Promise((resolve) => server.once("listening", resolve));
const issuer = `http://127.0.0.1:${server.address().port}`;
handle = begin(issuer, "ES256");
console.log(JSON.stringify({ issuer }));
process.stdin.on("end", () => process.exit(0)).resume();
