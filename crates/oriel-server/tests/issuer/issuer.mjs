// An OpenID Connect issuer on a port of the system's choice, for tests. Prints its port. People exist as they are named:
// whoever signs in as `ann` has the address ann@example.com, and the groups that follow a `+`: `bob+ops+staff`.
import Provider from "oidc-provider";
import http from "node:http";

const [redirect] = process.argv.slice(2);
const server = http.createServer();
await new Promise((listening) => server.listen(0, "127.0.0.1", listening));
const { port } = server.address();

const provider = new Provider(`http://127.0.0.1:${port}`, {
  clients: [
    {
      client_id: "oriel",
      client_secret: "a-secret-between-the-two",
      redirect_uris: [redirect],
      grant_types: ["authorization_code"],
      response_types: ["code"],
    },
  ],
  pkce: { required: () => true, methods: ["S256"] },
  claims: {
    openid: ["sub", "amr"],
    email: ["email", "email_verified"],
    profile: ["name", "groups"],
  },
  cookies: { keys: ["for tests only"] },
  features: { devInteractions: { enabled: true } },
  async findAccount(_, id) {
    const [name, ...groups] = id.split("+");
    return {
      accountId: id,
      claims: () => ({
        sub: id,
        name: `Person ${name}`,
        email: `${name}@example.com`,
        // Whoever is called so has not shown that the address is theirs.
        email_verified: !name.startsWith("unverified"),
        groups,
      }),
    };
  },
});

server.on("request", provider.callback());
console.log(port);
