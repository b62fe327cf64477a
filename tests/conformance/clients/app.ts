import createClient from "openapi-fetch";
import type { paths } from "./api";

const [url, token] = process.argv.slice(2);
const client = createClient<paths>({ baseUrl: url, headers: { Authorization: `Bearer ${token}` } });
const shown = await client.GET("/user/{id}", { params: { path: { id: 1 } } });
if (!shown.data) throw new Error(shown.error.title);
console.log(shown.data.name);
const created = await client.POST("/user", { body: { name: "Grace" } });
console.log(created.response.status, created.data?.name);
const missing = await client.GET("/user/{id}", { params: { path: { id: 999 } } });
console.log(missing.response.status, missing.error?.title);
