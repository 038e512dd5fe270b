#include "pull/fsck_catalogue.h"

#include <algorithm>
#include <utility>

#include "cas/ref_store.h"
#include "manifest/ref_record.h"
#include "pull/model_blobs.h"

namespace castool::pull {
namespace {

using base::Result;
using base::Status;

class Reader {
 public:
  Reader(const cas::Store& store, std::vector<Damage>& damaged)
      : store_(store), damaged_(damaged) {}

  void add(const std::string& ns, const cas::NamedRecord& named) {
    const auto record = manifest::parse_ref_record(named.bytes);
    if (!record) {
      damaged_.push_back({Trouble::kRecord, std::nullopt, named.name, {}, false, {}});
      return;
    }
    Wanted wanted;
    wanted.home = {named.name, record->origin, record->revision, record->kind, record->manifest};
    wanted.must_be_there = record->state == manifest::RefState::kComplete;
    wanted.source = record->source;
    wanted.ns = ns;
    add_manifest(wanted);
    for (const auto& attachment : record->attachments) {
      wanted.home = {named.name, attachment.origin, attachment.revision, manifest::ModelKind::kHub,
                     attachment.manifest};
      wanted.must_be_there = true;
      wanted.source = attachment.source;
      add_manifest(wanted);
    }
  }
  [[nodiscard]] Catalogue take() { return std::move(catalogue_); }

 private:
  void add_manifest(const Wanted& model) {
    Wanted manifest = model;
    manifest.is_manifest = true;
    manifest.must_be_there = true;
    put(model.home.manifest, manifest);
    const auto blobs = model_blobs(store_, model.home.kind, model.home.manifest);
    if (!blobs) return;  // the manifest itself is found to be bad
    for (const ModelBlob& blob : *blobs) {
      Wanted wanted = model;
      wanted.size = blob.size;
      put(blob.digest, wanted);
    }
  }

  // Of several refs that name it the first one that has to have it.
  void put(const base::Digest& digest, const Wanted& wanted) {
    const auto [entry, fresh] = catalogue_.try_emplace(digest, wanted);
    if (!fresh && !entry->second.must_be_there && wanted.must_be_there) entry->second = wanted;
  }

  const cas::Store& store_;
  std::vector<Damage>& damaged_;
  Catalogue catalogue_;
};

}  // namespace

Result<Catalogue> read_catalogue(const cas::Store& store, const FsckOptions& options,
                                 std::vector<Damage>& damaged) {
  Reader reader(store, damaged);
  if (!options.names.empty()) {
    CASTOOL_ASSIGN(const auto all, cas::RefStore::list(store, options.ns));
    for (const std::string& name : options.names) {
      const auto found = std::ranges::find(all, name, &cas::NamedRecord::name);
      if (found == all.end()) {
        return base::make_error(base::Code::kNotFound, "there is no model named " + name);
      }
      reader.add(options.ns, *found);
    }
    return reader.take();
  }
  CASTOOL_ASSIGN(const auto namespaces, cas::RefStore::namespaces(store));
  for (const std::string& ns : namespaces) {
    CASTOOL_ASSIGN(const auto all, cas::RefStore::list(store, ns));
    for (const auto& named : all) reader.add(ns, named);
  }
  return reader.take();
}

}  // namespace castool::pull
