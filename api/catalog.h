// The models of one namespace as the API lists, shows and removes them.
//
// What a manifest says never changes, so it is read once for each manifest; what a listing says of
// a model is made once for each version of its ref. Safe from any thread.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "api/model_facts.h"
#include "api/ref_listing.h"
#include "base/log.h"
#include "base/mutex.h"
#include "base/result.h"
#include "cas/ref_store.h"
#include "cas/store.h"
#include "manifest/gguf_json.h"
#include "manifest/ref_record.h"
#include "pull/read_rights.h"

namespace castool::api {

class Catalog {
 public:
  // Both outlive this.
  Catalog(cas::Store& store, cas::RefStore& refs, base::Log& log)
      : store_(store), refs_(refs), log_(log), listing_(refs, log), rights_(store, refs.ns()) {}

  // The body of GET /api/tags, newest first.
  [[nodiscard]] base::Result<std::string> list() CASTOOL_EXCLUDES(mutex_);
  // The body of POST /api/show. kUsage for what is no name, kNotFound when it is not here.
  [[nodiscard]] base::Result<std::string> show(std::string_view name, manifest::GgufArrays arrays)
      CASTOOL_EXCLUDES(mutex_);
  // The same errors.
  [[nodiscard]] base::Status remove(std::string_view name);

  // The size of a stored blob that a model of this namespace has; nullopt else, so that nobody
  // learns what other namespaces have.
  [[nodiscard]] base::Result<std::optional<std::uint64_t>> size_of(const base::Digest& digest)
      CASTOOL_EXCLUDES(mutex_);
  // Whether the model may read what the store has of it.
  [[nodiscard]] bool may_read(const manifest::RefRecord& record, const base::Digest& digest);

  // For being an origin. `offered` says which refs others may have from here; kNotFound for what is
  // not here or not offered.
  using Offered = std::function<bool(const manifest::RefRecord&)>;
  // The first of `names` that there is.
  [[nodiscard]] base::Result<manifest::RefRecord> find_offered(std::span<const std::string> names,
                                                               const Offered& offered) const;
  // The model "ns/model" of whatever tag that has that manifest.
  [[nodiscard]] base::Result<manifest::RefRecord> find_registry_model(std::string_view repo,
                                                                      const base::Digest& manifest,
                                                                      const Offered& offered);
  struct NamedBlob {
    manifest::RefRecord record;  // of a model that has it
    std::uint64_t size = 0;      // as its manifest says
  };
  [[nodiscard]] base::Result<NamedBlob> find_blob(const base::Digest& digest,
                                                  const Offered& offered) CASTOOL_EXCLUDES(mutex_);
  // The ref of that name, if it is a repository of a Hub.
  struct Repository {
    manifest::RefRecord record;
    std::shared_ptr<const manifest::HubManifest> hub;
  };
  [[nodiscard]] base::Result<Repository> find_repository(std::string_view repo,
                                                         const Offered& offered)
      CASTOOL_EXCLUDES(mutex_);

 private:
  using Facts = std::shared_ptr<const ModelFacts>;
  using Text = std::shared_ptr<const std::string>;
  using Texts = std::map<std::shared_ptr<const ListedRef>, Text>;

  [[nodiscard]] base::Result<manifest::RefRecord> find(std::string_view name) const;
  [[nodiscard]] base::Result<Facts> facts_of(const manifest::RefRecord& record)
      CASTOOL_EXCLUDES(mutex_);
  // What a listing says of one.
  [[nodiscard]] base::Result<Text> text_of(const std::shared_ptr<const ListedRef>& ref,
                                           const Texts& before) CASTOOL_EXCLUDES(mutex_);
  [[nodiscard]] ReadBlob reader(const manifest::RefRecord& record);
  // What a GGUF says about itself, as JSON; empty when it is not here or says nothing.
  [[nodiscard]] std::string gguf_info(const manifest::RefRecord& record,
                                      const std::optional<base::Digest>& digest,
                                      manifest::GgufArrays arrays);

  cas::Store& store_;
  cas::RefStore& refs_;
  base::Log& log_;
  RefListing listing_;
  pull::ReadRights rights_;
  base::Mutex mutex_;
  std::shared_ptr<const Texts> texts_ CASTOOL_GUARDED_BY(mutex_) = std::make_shared<Texts>();
  std::map<base::Digest, Facts> facts_ CASTOOL_GUARDED_BY(mutex_);  // by manifest
  // Those asked for lately, since each file of a download is a request.
  std::map<base::Digest, std::shared_ptr<const manifest::HubManifest>> repositories_
      CASTOOL_GUARDED_BY(mutex_);
};

}  // namespace castool::api
