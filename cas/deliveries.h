// Which origins have delivered which blobs to this store: who once had them to give needs no proof.
// A stored blob that nobody may have by other reasons is as good as absent to every other origin.
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
// Whether that origin's bytes need not be fetched: it delivered them, or there are none.
[[nodiscard]] bool may_attach(const Store& store, const std::string& origin,
                              const base::Digest& digest);

}  // namespace castool::cas
