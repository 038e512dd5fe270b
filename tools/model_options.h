// Changing what a ref says of its model without a pull. Pure.
#pragma once

#include "base/result.h"
#include "manifest/ref_record.h"
#include "tools/ovms_arguments.h"

namespace castool::tools {

// The options in `arguments` become the ref's own, an empty value takes one back to OVMS's default.
// kUsage, and nothing changed, for an option or a value that the model's task has not, and for a
// draft model or an adapter that a pull would have to bring.
[[nodiscard]] base::Status change_options(const OvmsArguments& arguments,
                                          manifest::RefRecord& record);

}  // namespace castool::tools
