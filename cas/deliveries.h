// Which origins have delivered which blobs to this store: who once had them to give needs no proof.
//
//   deliveries/<origin key>/<64 hex>     symbolic link whose target is the word "delivered"
//
// A hint: not synced; one that is lost costs a proof. Goes with its blob at the next gc.
#pragma once

#include <string>

#include "base/digest.h"
#include "base/result.h"
#include "cas/store.h"

namespace castool::cas {

// `origin` as PartialKey::origin. Written only after the bytes that came from it were verified.
[[nodiscard]] base::Status note_delivery(Store& store, const std::string& origin,
                                         const base::Digest& digest);
[[nodiscard]] bool was_delivered(const Store& store, const std::string& origin,
                                 const base::Digest& digest);

}  // namespace castool::cas
