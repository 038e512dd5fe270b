// Refs by the names that people type, and changing them while others may do so as well.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/result.h"
#include "cas/ref_store.h"
#include "manifest/ref_record.h"
#include "tools/command_context.h"

namespace castool::tools {

struct NamedRef {
  std::string name;   // as it is stored
  std::string bytes;  // of its record
  manifest::RefRecord record;
};

// kNotFound when no such ref is there, kUsage when `text` can be no name.
[[nodiscard]] base::Result<NamedRef> find_ref(const cas::RefStore& refs, const std::string& text);

// The record alone.
[[nodiscard]] base::Result<manifest::RefRecord> find_record(const cas::RefStore& refs,
                                                            const std::string& text);

// Puts what `change` makes of the record in its place; again, with the new record, when somebody
// else changed it meanwhile. `name` is the ref's own.
[[nodiscard]] base::Status change_record(
    cas::RefStore& refs, const std::string& name,
    const std::function<base::Status(manifest::RefRecord&)>& change);

// kNotFound for a name that no model has here.
[[nodiscard]] base::Error no_such_model();

// The store, opened for writing if there is one (nothing is created), and the namespace's refs in
// it. kNotFound without a store.
struct OpenedRefs {
  std::unique_ptr<cas::Store> store;
  std::optional<cas::RefStore> refs;
};
[[nodiscard]] base::Result<OpenedRefs> open_refs_for_change(CommandContext& context);

}  // namespace castool::tools
