#include "pull/ref_completion.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "pull/model_blobs.h"
#include "pull/read_rights.h"

namespace castool::pull {
namespace {

using base::Result;
using base::Status;
using manifest::RefRecord;
using manifest::RefState;

struct Known {
  std::string bytes;
  RefRecord record;
};

Result<std::optional<Known>> read(const cas::RefStore& refs, const std::string& name) {
  CASTOOL_ASSIGN(auto bytes, refs.get(name));
  if (!bytes) return std::optional<Known>();
  auto record = manifest::parse_ref_record(*bytes);
  if (!record) return std::optional<Known>();
  return std::optional(Known{*std::move(bytes), *std::move(record)});
}

bool may_become_complete(const RefRecord& record) {
  return record.state == RefState::kPartial || record.state == RefState::kDamaged;
}

Status complete(const cas::Store& store, cas::RefStore& refs, ReadRights& rights,
                const std::string& name, const Known& known) {
  CASTOOL_ASSIGN(const auto blobs, model_blobs(store, known.record.kind, known.record.manifest));
  CASTOOL_ASSIGN(const auto presence,
                 presence_of(store, blobs, known.record.origin, [&](const base::Digest& digest) {
                   return rights.may_read(known.record.origin, digest);
                 }));
  if (presence.state != RefState::kComplete) return base::ok();
  RefRecord record = known.record;
  record.state = RefState::kComplete;
  record.bytes_present = record.bytes;
  CASTOOL_RETURN_IF_ERROR(refs.replace_if(name, known.bytes, manifest::print_ref_record(record)));
  return base::ok();
}

}  // namespace

Status complete_ref(const cas::Store& store, cas::RefStore& refs, const std::string& name) {
  CASTOOL_ASSIGN(const auto known, read(refs, name));
  if (!known || !may_become_complete(known->record)) return base::ok();
  ReadRights rights(store, refs.ns());
  return complete(store, refs, rights, name, *known);
}

Status complete_refs_of(const cas::Store& store, cas::RefStore& refs,
                        const std::set<base::Digest>& wanted) {
  CASTOOL_ASSIGN(const auto named, refs.list());
  ReadRights rights(store, refs.ns());
  Status first = base::ok();
  for (const auto& [name, bytes] : named) {
    const auto record = manifest::parse_ref_record(bytes);
    if (!record || !may_become_complete(*record)) continue;
    const auto blobs = model_blobs(store, record->kind, record->manifest);
    if (!blobs) continue;
    const bool names_it = std::any_of(blobs->begin(), blobs->end(), [&](const ModelBlob& each) {
      return wanted.contains(each.digest);
    });
    if (!names_it) continue;
    if (auto status = complete(store, refs, rights, name, {bytes, *record}); !status && first) {
      first = std::move(status);
    }
  }
  return first;
}

Status mark_damaged(cas::RefStore& refs, const std::string& name, const base::Digest& manifest) {
  CASTOOL_ASSIGN(const auto known, read(refs, name));
  if (!known || known->record.manifest != manifest) return base::ok();
  if (known->record.state != RefState::kPartial) return base::ok();
  RefRecord record = known->record;
  record.state = RefState::kDamaged;
  CASTOOL_RETURN_IF_ERROR(refs.replace_if(name, known->bytes, manifest::print_ref_record(record)));
  return base::ok();
}

}  // namespace castool::pull
