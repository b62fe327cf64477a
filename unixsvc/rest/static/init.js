"use strict";

// Cookies with a value that was entered in the dialog "Authorize", by the names of their schemes. Scripts cannot
// set the header, and Swagger UI by itself sets cookies only if it keeps what was entered.
const cookies = new Map();

const setCookie = (name, value, maxAge) => {
  // A cookie that is secure cannot be set on a site without TLS, and one with such a prefix has to be secure.
  const secure = location.protocol === "https:" || name.startsWith("__") ? "; Secure" : "";
  document.cookie = `${name}=${value}; Path=/; SameSite=Strict; Max-Age=${maxAge}${secure}`;
};

const addCookies = (authorized) => {
  for (const [scheme, {schema, value}] of Object.entries(authorized)) {
    const {type, in: place, name} = schema.toJS ? schema.toJS() : schema;
    if (type === "apiKey" && place === "cookie" && !/[;\x00-\x1f\x7f]/.test(value)) {
      cookies.set(scheme, name);
      setCookie(name, value, 43200);
    }
  }
};

const removeCookies = (schemes) => {
  for (const scheme of schemes.filter((each) => cookies.has(each))) {
    setCookie(cookies.get(scheme), "", 0);
    cookies.delete(scheme);
  }
};

// What was entered is forgotten with the page.
addEventListener("pagehide", () => removeCookies([...cookies.keys()]));

const keysInCookies = () => ({
  statePlugins: {
    auth: {
      wrapActions: {
        authorize: (original) => (authorized) => { addCookies(authorized); return original(authorized); },
        logout: (original) => (schemes) => { removeCookies(schemes); return original(schemes); },
      },
    },
  },
});

// After a 401 with a challenge for Basic, a browser asks for a password in a dialog of its own, and the response is
// not shown before it is closed. It does not if the request has no credentials of the browser; cookies need them.
const withoutDialog = (request) => {
  const schemes = request.loadSpec ? undefined : ui.specSelectors.securityDefinitions();
  const has = (key, value) => schemes?.some((each) => each.get(key) === value);
  if (has("scheme", "basic") && !has("in", "cookie")) request.credentials = "omit";
  return request;
};

// Starts Swagger UI. The page's Content-Security-Policy allows no script within the page itself.
const ui = SwaggerUIBundle({
  dom_id: "#swagger-ui",
  url: new URL("openapi.json", document.baseURI).href, // beside this page, whatever prefix that has
  presets: [SwaggerUIBundle.presets.apis],
  plugins: [keysInCookies],
  requestInterceptor: withoutDialog,
  layout: "BaseLayout",
  deepLinking: true,
  displayRequestDuration: true,
  tryItOutEnabled: true,
  // A token is forgotten with the page: kept in the browser's storage, every script of this origin could read it.
  persistAuthorization: false,
  // No other host is asked about the document, and no link can have another host's document shown here.
  validatorUrl: null,
  queryConfigEnabled: false,
});
