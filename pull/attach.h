// Whether a namespace may have a blob that is in the store already without its being fetched.
//
// It may when one of its own refs has the blob, or when the origin that authorised it delivered
// these bytes to this store before. Any other origin has to show that it has them: random ranges
// are fetched from it and compared. An origin that cannot gets the answer that it would get for a
// blob that is not here: its own.
#pragma once

#include <cstdint>
#include <memory>
#include <random>
#include <stop_token>
#include <string>
#include <vector>

#include "base/byte_range.h"
#include "base/result.h"
#include "cas/ref_store.h"
#include "cas/store.h"
#include "fetch/downloader.h"
#include "pull/pull_plan.h"

namespace castool::pull {

struct AttachFacts {
  bool stored = false;             // the store has it
  bool of_no_content = false;      // everybody has the empty blob
  bool held_by_namespace = false;  // a ref of the namespace names it
  bool delivered = false;          // by that origin, to this store
};
enum class Attach { kFetch, kReuse, kProve };
// Pure.
[[nodiscard]] Attach attach_rule(const AttachFacts& facts);

// Makes kProve of what the plan may not simply reuse, and kProveOrLater where a lazy pull would not
// have asked for it: then what the store has changes nothing that the origin could see the end of.
// `refs` is the namespace; `name` the ref that the model gets, or empty.
[[nodiscard]] base::Status apply_attach_rule(const cas::Store& store, const cas::RefStore& refs,
                                             const std::string& name, const RemoteModel& model,
                                             Extent extent, PullPlan& plan);

// The ranges that a proof asks for: all of a blob up to 2 MiB, 32 times 64 KiB of a larger one.
// Pure, given the generator.
[[nodiscard]] std::vector<base::ByteRange> proof_ranges(std::uint64_t size,
                                                        std::mt19937_64& random);

// Fetches ranges and compares them with the blob. kDigestMismatch: the origin has something else;
// otherwise the origin's own errors.
[[nodiscard]] base::Status prove_possession(const cas::Store& store, fetch::Downloader& downloader,
                                            std::shared_ptr<fetch::AddressBook> addresses,
                                            const base::Digest& digest, std::stop_token stop);

}  // namespace castool::pull
