#include "tools/named_refs.h"

#include <utility>

#include "manifest/source.h"

namespace castool::tools {

base::Result<NamedRef> find_ref(const cas::RefStore& refs, const std::string& text) {
  CASTOOL_ASSIGN(const auto names, manifest::lookup_names(text));
  for (const std::string& name : names) {
    CASTOOL_ASSIGN(auto bytes, refs.get(name));
    if (!bytes) continue;
    CASTOOL_ASSIGN(auto record, manifest::parse_ref_record(*bytes));
    record.name = name;
    return NamedRef{name, *std::move(bytes), std::move(record)};
  }
  return base::make_error(base::Code::kNotFound, "no model of that name is here",
                          "castool ls lists them");
}

base::Result<OpenedRefs> open_refs_for_change(CommandContext& context) {
  OpenedRefs opened;
  CASTOOL_ASSIGN(opened.store, open_store_if_any(context));
  if (opened.store == nullptr) {
    return base::make_error(base::Code::kNotFound, "no model of that name is here",
                            "castool ls lists them");
  }
  CASTOOL_ASSIGN(opened.store, open_store(context, cas::Access::kWrite));
  CASTOOL_ASSIGN(opened.refs, cas::RefStore::open(*opened.store, context.settings.ns));
  return opened;
}

}  // namespace castool::tools
