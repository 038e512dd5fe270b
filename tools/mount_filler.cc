#include "tools/mount_filler.h"

#include <utility>

#include "manifest/ref_record.h"
#include "pull/model_blobs.h"

namespace castool::tools {
namespace {

using base::Result;

constexpr auto kLook = std::chrono::seconds(1);

pull::BlobHome home_of(const fusefs::BlobHome& home) {
  return {home.name, home.origin, home.revision, home.kind, home.manifest};
}

class Filling final : public fusefs::FillingBlob {
 public:
  explicit Filling(std::shared_ptr<pull::LazyReader> reader) : reader_(std::move(reader)) {}

  [[nodiscard]] int fd() const override { return reader_->blob().fd(); }
  [[nodiscard]] Ticket want(const base::ByteRange& range, Done done) override {
    return reader_->blob().want(range, done);
  }
  [[nodiscard]] Ticket settled(Done done) override {
    return reader_->blob().settled(std::move(done));
  }
  [[nodiscard]] std::string given_out() override { return reader_->blob().given_out(); }
  void go_on_from(const std::string& given_out) override { reader_->blob().go_on_from(given_out); }
  void cancel(Ticket ticket) override { reader_->blob().cancel(ticket); }

 private:
  const std::shared_ptr<pull::LazyReader> reader_;
};

}  // namespace

fusefs::MayRead reads_by(pull::ReadRights& rights) {
  return [&rights](const fusefs::BlobHome& home, const base::Digest& digest) {
    return rights.may_read(home.origin, digest);
  };
}

Result<std::shared_ptr<fusefs::FillingBlob>> MountFiller::open(const fusefs::WantedBlob& blob) {
  CASTOOL_ASSIGN(auto reader, blobs_.open(home_of(*blob.home), blob.digest, blob.size));
  return std::shared_ptr<fusefs::FillingBlob>(std::make_shared<Filling>(std::move(reader)));
}

fusefs::BlobStatus MountFiller::status(const fusefs::WantedBlob& blob) {
  const auto status = blobs_.status(home_of(*blob.home), blob.digest);
  if (status.damaged) return {fusefs::BlobState::kDamaged, 0};
  if (status.present == 0) return {fusefs::BlobState::kAbsent, 0};
  return {fusefs::BlobState::kPartial, status.present};
}

FillAll::FillAll(cas::Store& store, const cas::RefStore& refs, pull::LazyBlobs& blobs,
                 base::Log& log)
    : store_(store),
      refs_(refs),
      blobs_(blobs),
      log_(log),
      thread_([this](const std::stop_token& stop) { follow(stop); }) {}

void FillAll::follow(const std::stop_token& stop) {
  const auto watch = cas::RefWatch::open(store_, refs_.ns());
  if (!watch) {
    log_.warn("new models are not filled by themselves: {}", watch.error().text());
    return look();
  }
  look();
  while (!stop.stop_requested()) {
    if ((*watch)->wait(kLook, stop) && !stop.stop_requested()) look();
  }
}

void FillAll::look() {
  const auto named = refs_.list();
  if (!named) return log_.warn("cannot list the refs: {}", named.error().text());
  for (const auto& [name, bytes] : *named) {
    const auto record = manifest::parse_ref_record(bytes);
    if (!record || record->state == manifest::RefState::kComplete) continue;
    const auto blobs = pull::model_blobs(store_, record->kind, record->manifest);
    if (!blobs) continue;
    const pull::BlobHome home = {name, record->origin, record->revision, record->kind,
                                 record->manifest};
    for (const pull::ModelBlob& blob : *blobs) blobs_.fill(home, blob.digest, blob.size);
  }
}

}  // namespace castool::tools
