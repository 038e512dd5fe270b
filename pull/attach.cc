#include "pull/attach.h"

#include <algorithm>
#include <unordered_set>
#include <utility>

#include "cas/deliveries.h"
#include "manifest/ref_record.h"
#include "pull/model_blobs.h"
#include "pull/proof_sink.h"

namespace castool::pull {

using base::Digest;
using base::Status;

namespace {

using base::Result;
using Digests = std::unordered_set<Digest>;

// Which of `wanted` the ref has. What cannot be read names nothing.
void add_held(const cas::Store& store, const std::string& bytes, const Digests& wanted,
              Digests& held) {
  const auto record = manifest::parse_ref_record(bytes);
  // What a partial ref lacks it has not obtained yet.
  if (!record || record->state != manifest::RefState::kComplete) return;
  const auto add = [&](manifest::ModelKind kind, const Digest& manifest) {
    const auto blobs = model_blobs(store, kind, manifest);
    if (!blobs) return;
    for (const ModelBlob& blob : *blobs) {
      if (wanted.contains(blob.digest)) held.insert(blob.digest);
    }
  };
  add(record->kind, record->manifest);
  for (const auto& attachment : record->attachments)
    add(manifest::ModelKind::kHub, attachment.manifest);
}

// Which of `wanted` the namespace's refs have. First the ref `name` is looked at, which mostly has
// them all when the model is pulled again, and needs no look at thousands of others.
Result<Digests> held_of(const cas::Store& store, const cas::RefStore& refs, const std::string& name,
                        const Digests& wanted) {
  Digests held;
  if (wanted.empty()) return held;
  if (!name.empty()) {
    CASTOOL_ASSIGN(const auto own, refs.get(name));
    if (own) add_held(store, *own, wanted, held);
    if (held.size() == wanted.size()) return held;
  }
  CASTOOL_ASSIGN(const auto all, refs.list());
  for (const auto& [other, bytes] : all) {
    if (held.size() == wanted.size()) break;
    add_held(store, bytes, wanted, held);
  }
  return held;
}

}  // namespace

Attach attach_rule(const AttachFacts& facts) {
  if (!facts.stored) return Attach::kFetch;
  if (facts.of_no_content || facts.held_by_namespace || facts.delivered) return Attach::kReuse;
  return Attach::kProve;
}

Status apply_attach_rule(const cas::Store& store, const cas::RefStore& refs,
                         const std::string& name, const RemoteModel& model, Extent extent,
                         PullPlan& plan) {
  // Mostly none: the origin is known to have delivered the blob.
  Digests unproved;
  for (const PlannedBlob& blob : plan.blobs) {
    if (blob.route != Route::kReuse || !blob.digest) continue;
    AttachFacts facts;
    facts.stored = true;
    facts.of_no_content = blob.size == 0;
    // Git ids are translated only by what this origin delivered.
    facts.delivered = !model.files[blob.files.front()].digest ||
                      cas::was_delivered(store, model.origin, *blob.digest);
    if (attach_rule(facts) == Attach::kProve) unproved.insert(*blob.digest);
  }
  CASTOOL_ASSIGN(const Digests held, held_of(store, refs, name, unproved));
  for (PlannedBlob& blob : plan.blobs) {
    if (blob.route != Route::kReuse || !blob.digest || !unproved.contains(*blob.digest)) continue;
    AttachFacts facts;
    facts.stored = true;
    facts.held_by_namespace = held.contains(*blob.digest);
    if (attach_rule(facts) != Attach::kProve) continue;
    const bool absent_is_later = route_of(blob.size, false, true, extent) == Route::kLater;
    blob.route = absent_is_later ? Route::kProveOrLater : Route::kProve;
  }
  return base::ok();
}

std::vector<base::ByteRange> proof_ranges(std::uint64_t size, std::mt19937_64& random) {
  constexpr std::uint64_t kWhole = 2 << 20;
  constexpr std::uint64_t kPiece = 1 << 20;
  constexpr std::uint64_t kSample = 64 << 10;
  constexpr int kSamples = 32;
  std::vector<base::ByteRange> ranges;
  if (size <= kWhole) {
    for (std::uint64_t at = 0; at < size; at += kPiece) {
      ranges.push_back({at, std::min(kPiece, size - at)});
    }
    return ranges;
  }
  std::uniform_int_distribution<std::uint64_t> anywhere(0, size - kSample);
  for (int i = 0; i < kSamples; ++i) ranges.push_back({anywhere(random), kSample});
  return ranges;
}

Status prove_possession(const cas::Store& store, fetch::Downloader& downloader,
                        std::shared_ptr<fetch::AddressBook> addresses, const Digest& digest,
                        std::stop_token stop) {
  CASTOOL_ASSIGN(auto blob, store.find(digest));
  if (!blob) return base::make_error(base::Code::kBusy, digest.text() + " went", "run it again");
  std::random_device seed;
  std::mt19937_64 random((std::uint64_t{seed()} << 32) | seed());
  auto ranges = proof_ranges(blob->size, random);
  const auto sink = std::make_shared<ProofSink>(*std::move(blob), std::move(ranges));
  fetch::BlobJob job;
  job.label = digest.text();
  job.sink = sink;
  job.addresses = std::move(addresses);
  CASTOOL_RETURN_IF_ERROR(downloader.run(job, std::move(stop)));
  if (sink->same()) return base::ok();
  base::Error error = base::make_error(
      base::Code::kDigestMismatch,
      "the origin does not send what it promises: other bytes than those of " + digest.text(),
      "nothing was published; the origin has to be put right");
  error.digest = digest.text();
  return error;
}

}  // namespace castool::pull
