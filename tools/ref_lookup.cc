#include "tools/ref_lookup.h"

#include "manifest/source.h"

namespace castool::tools {
namespace {

base::Error not_here() {
  return base::make_error(base::Code::kNotFound, "no model of that name is here",
                          "castool ls lists them");
}

}  // namespace

base::Result<manifest::RefRecord> find_record(const cas::RefStore& refs, const std::string& text) {
  CASTOOL_ASSIGN(const auto names, manifest::lookup_names(text));
  for (const std::string& name : names) {
    CASTOOL_ASSIGN(const auto bytes, refs.get(name));
    if (!bytes) continue;
    CASTOOL_ASSIGN(auto record, manifest::parse_ref_record(*bytes));
    record.name = name;  // the file's name decides what it is called
    return record;
  }
  return not_here();
}

base::Status change_record(cas::RefStore& refs, const std::string& name,
                           const std::function<base::Status(manifest::RefRecord&)>& change) {
  constexpr int kAttempts = 100;
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    CASTOOL_ASSIGN(const auto bytes, refs.get(name));
    if (!bytes) return not_here();
    CASTOOL_ASSIGN(auto record, manifest::parse_ref_record(*bytes));
    CASTOOL_RETURN_IF_ERROR(change(record));
    CASTOOL_ASSIGN(const bool replaced,
                   refs.replace_if(name, *bytes, manifest::print_ref_record(record)));
    if (replaced) return base::ok();
  }
  return base::make_error(base::Code::kBusy, name + " is being changed all the time");
}

}  // namespace castool::tools
