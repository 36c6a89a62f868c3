SwaggerUIBundle({
    url: "/api/v1/openapi.json",
    dom_id: "#documentation",
    presets: [SwaggerUIBundle.presets.apis],
    layout: "BaseLayout",
    deepLinking: true,
    displayRequestDuration: true,
    validatorUrl: null,
});
