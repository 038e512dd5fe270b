// Refs that say "partial" although everything that they name has come meanwhile.
#pragma once

#include <set>
#include <string>

#include "base/result.h"
#include "cas/ref_store.h"
#include "cas/store.h"
#include "manifest/ref_record.h"

namespace castool::pull {

// Makes the ref complete when all its blobs are stored and it may read them (read_rights.h). A
// record that somebody else changes or removes meanwhile is left to them. kNotFound and unreadable
// records are no failure: then there is nothing to complete.
[[nodiscard]] base::Status complete_ref(const cas::Store& store, cas::RefStore& refs,
                                        const std::string& name);

// The same for every partial ref of the namespace that names one of the blobs. The first failure,
// after all were tried.
[[nodiscard]] base::Status complete_refs_of(const cas::Store& store, cas::RefStore& refs,
                                            const std::set<base::Digest>& blobs);

// Marks the ref as one whose origin does not send what its manifest names.
[[nodiscard]] base::Status mark_damaged(cas::RefStore& refs, const std::string& name,
                                        const base::Digest& manifest);

}  // namespace castool::pull
