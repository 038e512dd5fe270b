// How much a namespace may hold.
//
//   quota = quotas/<namespace>: one decimal number of bytes and a newline
//
// Replaced whole, durable. A namespace without one has no limit.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "base/result.h"
#include "cas/store.h"

namespace castool::cas {

// kStoreRefused for a damaged one: a limit that cannot be read is not none.
[[nodiscard]] base::Result<std::optional<std::uint64_t>> read_quota(const Store& store,
                                                                    const std::string& ns);
[[nodiscard]] base::Result<std::map<std::string, std::uint64_t>> read_quotas(const Store& store);
// nullopt takes the limit away. kUsage for what is no namespace.
[[nodiscard]] base::Status write_quota(Store& store, const std::string& ns,
                                       std::optional<std::uint64_t> bytes);

}  // namespace castool::cas
