// Envoy, in front of the BFF and the API.
const envoy = process.env.GATEWAY;

export default {
  devIndicators: false,
  rewrites: async () => ['/bff', '/api'].map((path) => ({ source: `${path}/:rest*`, destination: `${envoy}${path}/:rest*` })),
};
