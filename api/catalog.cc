#include "api/catalog.h"

#include <algorithm>
#include <ctime>
#include <functional>
#include <list>
#include <utility>

#include <fmt/chrono.h>
#include <fmt/format.h>

#include "api/names.h"
#include "cas/read_file.h"
#include "manifest/file_header.h"

namespace castool::api {
namespace {

using base::Code;
using base::make_error;
using base::Result;
using base::Status;
using manifest::RefRecord;

constexpr std::size_t kMostFacts = 20'000;

std::string rfc3339(std::int64_t seconds) {
  return fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(static_cast<std::time_t>(seconds)));
}

ModelEntry entry_of(const RefRecord& record, const ModelFacts& facts) {
  ModelEntry entry;
  entry.name = api_name(record);
  entry.modified_at = rfc3339(record.pulled_at);
  entry.size = record.bytes;
  entry.digest = record.manifest.hex();
  entry.details = facts.details;
  entry.capabilities = facts.capabilities;
  return entry;
}

base::Error not_found(std::string_view name) {
  return make_error(Code::kNotFound, fmt::format("model '{}' not found", name));
}

}  // namespace

bool Catalog::may_read(const RefRecord& record, const base::Digest& digest) {
  return record.state == manifest::RefState::kComplete || record.manifest == digest ||
         rights_.may_read(record.origin, digest);
}

ReadBlob Catalog::reader(const RefRecord& record) {
  return [this, &record](const base::Digest& digest, std::uint64_t limit) -> Result<std::string> {
    if (may_read(record, digest)) return store_.read_small(digest, limit);
    return make_error(Code::kNotFound, digest.text() + " is not here");
  };
}

Result<Catalog::Facts> Catalog::facts_of(const RefRecord& record) {
  {
    const base::MutexLock lock(mutex_);
    const auto known = facts_.find(record.manifest);
    if (known != facts_.end()) return known->second;
  }
  CASTOOL_ASSIGN(auto facts, read_facts(record, reader(record)));
  auto shared = std::make_shared<const ModelFacts>(std::move(facts));
  const base::MutexLock lock(mutex_);
  if (facts_.size() >= kMostFacts) facts_.clear();
  facts_.insert_or_assign(record.manifest, shared);
  return Facts(shared);
}

Result<Catalog::Text> Catalog::text_of(const std::shared_ptr<const ListedRef>& ref,
                                       const Texts& before) {
  const auto known = before.find(ref);
  if (known != before.end()) return known->second;
  CASTOOL_ASSIGN(const Facts facts, facts_of(ref->record));
  return std::make_shared<const std::string>(entry_body(entry_of(ref->record, *facts)));
}

Result<std::string> Catalog::list() {
  std::shared_ptr<const Texts> before;
  {
    const base::MutexLock lock(mutex_);
    before = texts_;
  }
  CASTOOL_ASSIGN(auto refs, listing_.now());
  std::ranges::stable_sort(refs, std::greater(),
                           [](const auto& ref) { return ref->record.pulled_at; });
  auto texts = std::make_shared<Texts>();
  std::list<std::string> bare;
  std::vector<std::string_view> entries;
  entries.reserve(refs.size());
  for (const auto& ref : refs) {
    auto text = text_of(ref, *before);
    if (text) {
      entries.emplace_back(**text);
      texts->emplace(ref, *std::move(text));
    } else {
      log_.warn("{}: {}", ref->record.name, text.error().text());
      entries.emplace_back(bare.emplace_back(entry_body(entry_of(ref->record, ModelFacts()))));
    }
  }
  std::string body = tags_body(entries);
  const base::MutexLock lock(mutex_);
  texts_ = std::move(texts);
  return body;
}

Result<RefRecord> Catalog::find(std::string_view name) const {
  CASTOOL_ASSIGN(const auto names, ref_names(name));
  for (const std::string& ref : names) {
    CASTOOL_ASSIGN(const auto bytes, refs_.get(ref));
    if (!bytes) continue;
    CASTOOL_ASSIGN(auto record, manifest::parse_ref_record(*bytes));
    record.name = ref;
    return record;
  }
  return not_found(name);
}

std::string Catalog::gguf_info(const RefRecord& record, const std::optional<base::Digest>& digest,
                               manifest::GgufArrays arrays) {
  if (!digest || !may_read(record, *digest)) return {};
  const auto blob = store_.find(*digest);
  if (!blob || !*blob) return {};
  const auto read = [&](std::span<std::byte> place) {
    return cas::read_at((*blob)->fd.get(), 0, place);
  };
  const auto told = [&]() -> Result<std::string> {
    CASTOOL_ASSIGN(const auto front,
                   manifest::read_header(manifest::FileFormat::kGguf, (*blob)->size, read));
    return manifest::gguf_json(front, arrays);
  };
  auto json = told();
  if (json) return *std::move(json);
  log_.debug("{}: {}", digest->text(), json.error().text());
  return {};
}

Result<std::string> Catalog::show(std::string_view name, manifest::GgufArrays arrays) {
  CASTOOL_ASSIGN(const RefRecord record, find(name));
  CASTOOL_ASSIGN(const Facts facts, facts_of(record));
  const ModelEntry entry = entry_of(record, *facts);
  CASTOOL_ASSIGN(ModelText text, read_text(record, entry.name, reader(record)));
  text.model_info = gguf_info(record, facts->gguf, arrays);
  text.projector_info = gguf_info(record, facts->projector, arrays);
  return show_body(entry, text);
}

Status Catalog::remove(std::string_view name) {
  CASTOOL_ASSIGN(const auto names, ref_names(name));
  for (const std::string& ref : names) {
    Status removed = refs_.remove(ref);
    if (removed || removed.error().code != Code::kNotFound) return removed;
  }
  return not_found(name);
}

Result<RefRecord> Catalog::find_offered(std::span<const std::string> names,
                                        const Offered& offered) const {
  for (const std::string& ref : names) {
    CASTOOL_ASSIGN(const auto bytes, refs_.get(ref));
    if (!bytes) continue;
    CASTOOL_ASSIGN(auto record, manifest::parse_ref_record(*bytes));
    record.name = ref;
    if (offered(record)) return record;
  }
  return not_found(names.empty() ? std::string_view() : std::string_view(names.front()));
}

Result<RefRecord> Catalog::find_registry_model(std::string_view repo, const base::Digest& manifest,
                                               const Offered& offered) {
  CASTOOL_ASSIGN(const auto refs, listing_.now());
  for (const auto& ref : refs) {
    const RefRecord& record = ref->record;
    if (record.manifest != manifest || record.kind != manifest::ModelKind::kOllama) continue;
    const auto source = manifest::parse_source(record.source);
    const auto* ollama = source ? std::get_if<manifest::OllamaSource>(&*source) : nullptr;
    const bool same = ollama != nullptr && ollama->ns + '/' + ollama->model == repo;
    if (same && offered(record)) return record;
  }
  return not_found(repo);
}

Result<Catalog::Repository> Catalog::find_repository(std::string_view repo,
                                                     const Offered& offered) {
  constexpr std::size_t kMostRepositories = 16;
  const std::string name(repo);
  CASTOOL_ASSIGN(auto record, find_offered(std::span(&name, 1), offered));
  if (record.kind != manifest::ModelKind::kHub) return not_found(repo);
  {
    const base::MutexLock lock(mutex_);
    const auto known = repositories_.find(record.manifest);
    if (known != repositories_.end()) return Repository{std::move(record), known->second};
  }
  CASTOOL_ASSIGN(const std::string bytes,
                 store_.read_small(record.manifest, manifest::kMaxHubManifestBytes));
  CASTOOL_ASSIGN(auto hub, manifest::parse_hub_manifest(bytes));
  auto shared = std::make_shared<const manifest::HubManifest>(std::move(hub));
  const base::MutexLock lock(mutex_);
  if (repositories_.size() >= kMostRepositories) repositories_.clear();
  repositories_.insert_or_assign(record.manifest, shared);
  return Repository{std::move(record), std::move(shared)};
}

Result<Catalog::NamedBlob> Catalog::find_blob(const base::Digest& digest, const Offered& offered) {
  CASTOOL_ASSIGN(const auto refs, listing_.now());
  for (const auto& ref : refs) {
    const auto facts = facts_of(ref->record);
    if (!facts) continue;
    const auto& blobs = (*facts)->blobs;
    const auto found = std::ranges::find(blobs, digest, &manifest::Layer::digest);
    if (found != blobs.end() && offered(ref->record)) return NamedBlob{ref->record, found->size};
  }
  return not_found(digest.text());
}

Result<std::optional<std::uint64_t>> Catalog::size_of(const base::Digest& digest) {
  CASTOOL_ASSIGN(const auto refs, listing_.now());
  for (const auto& ref : refs) {
    const RefRecord& record = ref->record;
    const auto facts = facts_of(record);
    const bool is_manifest = record.manifest == digest;
    const bool mine =
        is_manifest ||
        (facts && std::any_of((*facts)->blobs.begin(), (*facts)->blobs.end(),
                              [&](const manifest::Layer& blob) { return blob.digest == digest; }));
    if (mine && may_read(record, digest)) return store_.size_of(digest);
  }
  return std::optional<std::uint64_t>();
}

}  // namespace castool::api
