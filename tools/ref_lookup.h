// The record that a NAME argument means, and changing it while others may do so as well.
#pragma once

#include <functional>
#include <string>

#include "base/result.h"
#include "cas/ref_store.h"
#include "manifest/ref_record.h"

namespace castool::tools {

// kNotFound when no model has that name here.
[[nodiscard]] base::Result<manifest::RefRecord> find_record(const cas::RefStore& refs,
                                                            const std::string& text);

// Puts what `change` makes of the record in its place; again, with the new record, when somebody
// else changed it meanwhile. `name` is the ref's own.
[[nodiscard]] base::Status change_record(
    cas::RefStore& refs, const std::string& name,
    const std::function<base::Status(manifest::RefRecord&)>& change);

}  // namespace castool::tools
