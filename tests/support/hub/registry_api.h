// An Ollama registry: /v2/<ns>/<model>/manifests/<tag or digest>, /v2/<ns>/<model>/blobs/<digest>,
// and /v2/token. Manifests go out byte for byte. Any thread.
#pragma once

#include <optional>

#include "tests/support/hub/http.h"
#include "tests/support/hub/hub_api.h"
#include "tests/support/hub/registry_tokens.h"
#include "tests/support/hub/signed_urls.h"

namespace castool::hub {

class RegistryApi {
 public:
  RegistryApi(const SignedUrls& signed_urls, RegistryTokens& tokens)
      : signed_urls_(signed_urls), tokens_(tokens) {}

  // Nothing if the path does not begin with /v2/.
  [[nodiscard]] std::optional<Response> handle(const Context& context, const Request& request);

 private:
  [[nodiscard]] static Response manifest(const Request& request, const RegistryModel& model,
                                         const std::string& tag);
  [[nodiscard]] Response blob(const Context& context, const Request& request,
                              const RegistryModel& model, const std::string& digest) const;

  const SignedUrls& signed_urls_;
  RegistryTokens& tokens_;
};

}  // namespace castool::hub
