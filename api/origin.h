// What makes this store an origin for others (serve --registry): the registry protocol for Ollama's
// models, and the Hub's endpoints for repositories. For models that are complete here, and by way
// of PullThrough for others.
//
//   /v2/                                     the registry is there
//   /v2/<ns>/<model>/manifests/<tag|digest>  the registry's own bytes
//   /v2/<ns>/<model>/blobs/<digest>          HEAD with length, GET with ranges
//   /api/models/<repo>[/revision/<rev>]      what the repository has
//   /api/models/<repo>/tree/<rev>[/<folder>] its files, a page at a time
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
#include "api/pull_through.h"
#include "base/log.h"
#include "cas/store.h"

namespace castool::api {

class Origin {
 public:
  // All outlive this. `through` is null where only what is complete here is given to others.
  Origin(cas::Store& store, Catalog& catalog, PullThrough* through, base::Log& log)
      : store_(store), catalog_(catalog), through_(through), log_(log) {}

  // The answer to a GET or HEAD; nullopt for a path that is not an origin's.
  [[nodiscard]] std::optional<Reply> answer(const Request& request);

 private:
  // One blob of a model, as it is asked for.
  struct Wanted {
    const manifest::RefRecord& record;
    const base::Digest& digest;
    std::uint64_t size = 0;
  };

  // origin.cc: the registry.
  [[nodiscard]] Reply registry(const Request& request, std::string_view path);
  [[nodiscard]] Reply registry_manifest(const Request& request, std::string_view repo,
                                        std::string_view reference);
  [[nodiscard]] base::Result<manifest::RefRecord> find_model(const Request& request,
                                                             std::string_view repo,
                                                             std::string_view reference);
  [[nodiscard]] Reply registry_blob(const Request& request, std::string_view repo,
                                    std::string_view digest);

  // origin_hub.cc: the Hub.
  [[nodiscard]] Reply repository(const Request& request, std::string_view path);
  [[nodiscard]] Reply tree(const Request& request, const Catalog::Repository& repository,
                           std::string_view revision, std::string_view folder) const;
  [[nodiscard]] Reply resolve(const Request& request, std::string_view repo, std::string_view rest);
  [[nodiscard]] base::Result<Catalog::Repository> find_repository(const Request& request,
                                                                  std::string_view repo,
                                                                  std::string_view revision);

  // Both.
  [[nodiscard]] Catalog::Offered offered() const;
  // The bytes of a blob that the request asks for; nullopt when they are not to be had from here.
  [[nodiscard]] base::Result<std::optional<Reply>> blob_reply(const Request& request,
                                                              const Wanted& wanted);

  cas::Store& store_;
  Catalog& catalog_;
  PullThrough* const through_;
  base::Log& log_;
};

}  // namespace castool::api
