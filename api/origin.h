// What makes this store an origin for others (serve --registry): the registry protocol for Ollama's
// models, and the Hub's endpoints for repositories. Only for models that are complete here.
//
//   /v2/                                     the registry is there
//   /v2/<ns>/<model>/manifests/<tag|digest>  the registry's own bytes
//   /v2/<ns>/<model>/blobs/<digest>          HEAD with length, GET with ranges
//   /api/models/<repo>[/revision/<rev>]      what the repository has
//   /api/models/<repo>/tree/<rev>            its files
//   /api/models/<repo>/refs
//   /<repo>/resolve/<rev>/<path>             HEAD and GET with ranges
//
// Facts: docs/semantics.md "An origin for others". Safe from any thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "api/catalog.h"
#include "api/http.h"
#include "base/log.h"
#include "cas/store.h"

namespace castool::api {

class Origin {
 public:
  // All outlive this.
  Origin(cas::Store& store, Catalog& catalog, base::Log& log)
      : store_(store), catalog_(catalog), log_(log) {}

  // The answer to a GET or HEAD; nullopt for a path that is not an origin's.
  [[nodiscard]] std::optional<Reply> answer(const Request& request);

 private:
  [[nodiscard]] Reply registry(const Request& request, std::string_view path);
  [[nodiscard]] Reply registry_manifest(std::string_view repo, std::string_view reference);
  [[nodiscard]] Reply registry_blob(const Request& request, std::string_view repo,
                                    std::string_view digest);
  [[nodiscard]] Reply repository(const Request& request, std::string_view path);
  [[nodiscard]] Reply resolve(const Request& request, std::string_view repo, std::string_view rest);

  cas::Store& store_;
  Catalog& catalog_;
  base::Log& log_;
};

}  // namespace castool::api
