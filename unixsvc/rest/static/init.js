"use strict";

// Starts Swagger UI. The page's Content-Security-Policy allows no script within the page itself.
SwaggerUIBundle({
  dom_id: "#swagger-ui",
  url: new URL("openapi.json", document.baseURI).href, // beside this page, whatever prefix that has
  presets: [SwaggerUIBundle.presets.apis],
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
