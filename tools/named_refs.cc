#include "tools/named_refs.h"

#include <utility>

#include "manifest/source.h"

namespace castool::tools {

base::Error no_such_model() {
  return base::make_error(base::Code::kNotFound, "no model of that name is here",
                          "castool ls lists them");
}

base::Result<NamedRef> find_ref(const cas::RefStore& refs, const std::string& text) {
  CASTOOL_ASSIGN(const auto names, manifest::lookup_names(text));
  for (const std::string& name : names) {
    CASTOOL_ASSIGN(auto bytes, refs.get(name));
    if (!bytes) continue;
    CASTOOL_ASSIGN(auto record, manifest::parse_ref_record(*bytes));
    record.name = name;  // the file's name decides what it is called
    return NamedRef{name, *std::move(bytes), std::move(record)};
  }
  return no_such_model();
}

base::Result<manifest::RefRecord> find_record(const cas::RefStore& refs, const std::string& text) {
  CASTOOL_ASSIGN(auto found, find_ref(refs, text));
  return std::move(found.record);
}

base::Status change_record(cas::RefStore& refs, const std::string& name,
                           const std::function<base::Status(manifest::RefRecord&)>& change) {
  constexpr int kAttempts = 100;
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    CASTOOL_ASSIGN(const auto bytes, refs.get(name));
    if (!bytes) return no_such_model();
    CASTOOL_ASSIGN(auto record, manifest::parse_ref_record(*bytes));
    CASTOOL_RETURN_IF_ERROR(change(record));
    CASTOOL_ASSIGN(const bool replaced,
                   refs.replace_if(name, *bytes, manifest::print_ref_record(record)));
    if (replaced) return base::ok();
  }
  return base::make_error(base::Code::kBusy, name + " is being changed all the time");
}

base::Result<OpenedRefs> open_refs_for_change(CommandContext& context) {
  OpenedRefs opened;
  CASTOOL_ASSIGN(opened.store, open_store_if_any(context));
  if (opened.store == nullptr) {
    return no_such_model();
  }
  CASTOOL_ASSIGN(opened.store, open_store(context, cas::Access::kWrite));
  CASTOOL_ASSIGN(opened.refs, cas::RefStore::open(*opened.store, context.settings.ns));
  return opened;
}

}  // namespace castool::tools
