// The questions that a pull asks an Ollama or OCI registry, each with its answer checked.
//
// Facts: docs/semantics.md "Ollama registries". A token goes to the registry only; the address that
// a blob redirects to gets none. Blocking; safe from any thread.
#pragma once

#include <functional>
#include <memory>
#include <stop_token>
#include <string>

#include "base/clock.h"
#include "base/digest.h"
#include "base/log.h"
#include "base/result.h"
#include "fetch/downloader.h"
#include "fetch/http_client.h"
#include "manifest/manifest.h"
#include "manifest/source.h"
#include "pull/ollama_auth.h"
#include "pull/puller.h"

namespace castool::pull {

// "scheme://host[:port]" that answers for a source: the configured registry for the default host,
// the configured Hub for its registry face, else the host as it was typed. Plain http only where
// the user typed or configured it, or allowed it. kUsage for a broken setting.
[[nodiscard]] base::Result<std::string> registry_base(const manifest::OllamaSource& source,
                                                      const Origins& origins, PlainHttp plain_http);

struct RegistryRepo {
  std::string base;  // registry_base()
  std::string ns;
  std::string model;
};

struct RegistryManifest {
  std::string bytes;  // exactly as the registry sent them
  manifest::OllamaManifest parsed;
};

// What a registry's error answer to a question about a model's manifest means. Pure.
[[nodiscard]] base::Error manifest_error(int status, std::string_view sentence);

class RegistryClient {
 public:
  RegistryClient(fetch::HttpClient& http, RegistryRepo repo, std::string key_path,
                 base::Clock& clock, base::Log& log);

  [[nodiscard]] const RegistryRepo& repo() const { return repo_; }

  [[nodiscard]] base::Result<RegistryManifest> manifest(const std::string& tag,
                                                        std::stop_token stop);
  // Where the blob's bytes are right now. kDigestMismatch when the registry says another size.
  [[nodiscard]] base::Result<fetch::BlobAddress> locate(const manifest::Layer& layer,
                                                        std::stop_token stop);
  // The blob's bytes, unchecked.
  [[nodiscard]] base::Status read(const manifest::Layer& layer,
                                  const std::function<base::Status()>& restart,
                                  const fetch::HttpClient::BodySink& sink, std::stop_token stop);

 private:
  using Ask = std::function<base::Result<fetch::HttpResponse>(const fetch::Credential&)>;
  // Runs `ask` with the token known; once more with a new one when the registry itself says 401.
  [[nodiscard]] base::Result<fetch::HttpResponse> with_token(const Ask& ask, std::stop_token stop);
  [[nodiscard]] std::string blob_url(const base::Digest& digest) const;
  [[nodiscard]] base::Result<RegistryManifest> check_manifest(
      const fetch::HttpResponse& response) const;
  [[nodiscard]] base::Result<fetch::BlobAddress> address_from(const fetch::HttpResponse& response,
                                                              const manifest::Layer& layer) const;

  fetch::HttpClient& http_;
  const RegistryRepo repo_;
  base::Clock& clock_;
  OllamaAuth auth_;
};

[[nodiscard]] std::shared_ptr<fetch::AddressBook> make_registry_address_book(
    std::shared_ptr<RegistryClient> client, manifest::Layer layer, const base::Clock& clock);

}  // namespace castool::pull
