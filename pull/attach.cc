#include "pull/attach.h"

#include <algorithm>
#include <optional>
#include <unordered_set>
#include <utility>

#include "cas/deliveries.h"
#include "cas/ref_store.h"
#include "manifest/ref_record.h"
#include "pull/model_blobs.h"
#include "pull/proof_sink.h"

namespace castool::pull {
namespace {

using base::Digest;
using base::Result;
using base::Status;

// Everything that the namespace's refs name. What cannot be read names nothing.
Result<std::unordered_set<Digest>> held_by(const cas::Store& store, const std::string& ns) {
  std::unordered_set<Digest> held;
  const auto add = [&](manifest::ModelKind kind, const Digest& manifest) {
    const auto blobs = model_blobs(store, kind, manifest);
    if (!blobs) return;
    for (const ModelBlob& blob : *blobs) held.insert(blob.digest);
  };
  CASTOOL_ASSIGN(const auto refs, cas::RefStore::list(store, ns));
  for (const auto& [name, bytes] : refs) {
    const auto record = manifest::parse_ref_record(bytes);
    // What a partial ref lacks it has not obtained yet.
    if (!record || record->state != manifest::RefState::kComplete) continue;
    add(record->kind, record->manifest);
    for (const auto& attachment : record->attachments)
      add(manifest::ModelKind::kHub, attachment.manifest);
  }
  return held;
}

}  // namespace

Attach attach_rule(const AttachFacts& facts) {
  if (!facts.stored) return Attach::kFetch;
  if (facts.of_no_content || facts.held_by_namespace || facts.delivered) return Attach::kReuse;
  return Attach::kProve;
}

Status apply_attach_rule(const cas::Store& store, const std::string& ns, const RemoteModel& model,
                         PullPlan& plan) {
  // Read when it is needed: mostly the origin is known to have delivered the blob.
  std::optional<std::unordered_set<Digest>> held;
  for (PlannedBlob& blob : plan.blobs) {
    if (blob.route != Route::kReuse || !blob.digest) continue;
    AttachFacts facts;
    facts.stored = true;
    facts.of_no_content = blob.size == 0;
    // Git ids are translated only by what this origin delivered.
    facts.delivered = !model.files[blob.files.front()].digest ||
                      cas::was_delivered(store, model.origin, *blob.digest);
    if (attach_rule(facts) == Attach::kProve && !held) {
      CASTOOL_ASSIGN(held, held_by(store, ns));
    }
    facts.held_by_namespace = held && held->contains(*blob.digest);
    if (attach_rule(facts) == Attach::kProve) blob.route = Route::kProve;
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
