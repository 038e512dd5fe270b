// Refs by the names that people type.
#pragma once

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

// The store, opened for writing if there is one (nothing is created), and the namespace's refs in
// it. kNotFound without a store.
struct OpenedRefs {
  std::unique_ptr<cas::Store> store;
  std::optional<cas::RefStore> refs;
};
[[nodiscard]] base::Result<OpenedRefs> open_refs_for_change(CommandContext& context);

}  // namespace castool::tools
