#include "fusefs/open_files.h"

#include <cerrno>
#include <utility>

namespace castool::fusefs {
namespace {

WantedBlob wanted_of(const FileContent& content, std::uint64_t size) {
  return {digest_of(content), size, std::get<BlobContent>(content).home};
}

bool has_home(const FileContent& content) {
  const auto* blob = std::get_if<BlobContent>(&content);
  return blob != nullptr && blob->home != nullptr;
}

}  // namespace

Errno log_unreadable(base::Log& log, const Node& node, const base::Error& error) {
  const std::string what =
      node.is_directory() ? std::string() : digest_of(node.content()).text() + ": ";
  log.error("cannot read '{}': {}{}", node.name(), what, error.text());
  return Errno{EIO};
}

OpenFiles::OpenFiles(const FileParts& parts, KnownNodes& nodes, base::Log& log)
    : parts_(parts), nodes_(nodes), log_(log) {}

OpenFiles::~OpenFiles() { close(); }

void OpenFiles::close() {
  closed_ = true;
  waiting_.close();
  if (parts_.side != nullptr) parts_.side->stop();
  gate_->close();
}

bool OpenFiles::can_fill(const Node& file) const {
  return parts_.filler != nullptr && !file.is_directory() && has_home(file.content());
}

BlobStatus OpenFiles::filling_status(const Node& file) const {
  return parts_.filler->status(wanted_of(file.content(), file.size()));
}

OpenFiles::Joined OpenFiles::join(NodeId id, const OpenDone& done, OpenedFile& opened) {
  const base::MutexLock lock(mutex_);
  Opened& entry = files_[id];
  if (entry.count > 0) {
    ++entry.count;
    opened.native = entry.content.native;
    count(&entry.content, 1);
    return Joined::kOpen;
  }
  entry.opening.push_back(done);
  return entry.opening.size() == 1 ? Joined::kFirst : Joined::kWaits;
}

void OpenFiles::count(const Content* content, std::uint64_t opens) {
  if (parts_.counts == nullptr) return;
  if (content == nullptr) {
    parts_.counts->failed += opens;
  } else if (content->native) {
    parts_.counts->native += opens;
  } else {
    (content->filling ? parts_.counts->filling : parts_.counts->cached) += opens;
  }
}

void OpenFiles::open(NodeId id, const NodePtr& file, const OpenDone& done) {
  if (nodes_.poisoned(id)) {
    const bool other = nodes_.node_for(ino_of(id), KnownNodes::Bytes::kFilling) != id;
    return done(Errno{other ? ESTALE : EIO});
  }
  OpenedFile opened;
  switch (join(id, done, opened)) {
    case Joined::kWaits: return;
    case Joined::kOpen: return done(opened);
    case Joined::kFirst: break;
  }
  // Nobody has it open, so nobody would be told when pages that the kernel kept turn out wrong.
  if (!nodes_.unsure(id)) return open_first(id, file);
  parts_.pages->drop_pages(id, [this, id, file](const base::Status& dropped) {
    if (!dropped) return finish_open(id, Errno{EIO});
    nodes_.mark_dropped(id);
    open_first(id, file);
  });
}

// What was begun in another boot is compared with its checksums when it is opened, all of it: so
// filling files are not opened by a thread that takes requests.
void OpenFiles::open_first(NodeId id, const NodePtr& file) {
  if (parts_.uses != nullptr && has_home(file->content())) {
    parts_.uses->used(std::get<BlobContent>(file->content()).home->name);
  }
  auto stored = OpenFile::open(parts_.blobs, file->content(), file->size());
  if (stored) return finish_open(id, open_stored(id, *std::move(stored)));
  const bool missing = stored.error().code == base::Code::kNotFound;
  if (missing && is_native(id)) return finish_open(id, Errno{ESTALE});
  if (!missing || !can_fill(*file))
    return finish_open(id, log_unreadable(log_, *file, stored.error()));
  const auto fill = [this, id, file] {
    auto filling = open_filling(id, file->content(), file->size());
    if (!filling) return finish_open(id, filling.error());
    finish_open(id, Content{nullptr, *std::move(filling), std::nullopt});
  };
  if (parts_.side == nullptr) return fill();
  parts_.side->post(fill);
}

void OpenFiles::finish_open(NodeId id, Answer<Content> content) {
  // What is told the kernel and what is known here change together.
  const Gate::Pass pass(*gate_);
  std::vector<OpenDone> opening;
  std::shared_ptr<FillingFile> filling;
  Answer<OpenedFile> answer = Errno{EIO};
  {
    const base::MutexLock lock(mutex_);
    const auto found = files_.find(id);
    opening.swap(found->second.opening);
    count(content ? &*content : nullptr, opening.size());
    if (content) {
      answer = OpenedFile{content->native};
      filling = content->filling;
      found->second.content = *std::move(content);
      found->second.count = opening.size();
    } else {
      answer = content.error();
      files_.erase(found);
    }
  }
  for (const OpenDone& done : opening) done(answer);
}

Answer<OpenFiles::Content> OpenFiles::open_stored(NodeId id,
                                                  std::shared_ptr<const OpenFile> stored) {
  Content content{std::move(stored), nullptr, std::nullopt};
  if (is_native(id)) {
    if (!content.stored->needs_no_look()) return Errno{ESTALE};
    content.native = make_native(*content.stored);
  }
  return content;
}

// The kernel's number for the blob, or nothing: then it is read through the daemon like any other.
std::optional<std::int32_t> OpenFiles::make_native(const OpenFile& file) {
  auto id = parts_.native->acquire(file.digest(), file.fd());
  if (id) return *id;
  log_.warn("{} is served by the daemon: {}", file.digest().text(), id.error().text());
  return std::nullopt;
}

Answer<std::shared_ptr<FillingFile>> OpenFiles::open_filling(NodeId id, const FileContent& content,
                                                             std::uint64_t size) {
  if (closed_) return Errno{EIO};
  const WantedBlob wanted = wanted_of(content, size);
  auto opened = FillingFile::open(*parts_.filler, wanted, {id, ++last_giver_});
  if (!opened) {
    log_.error("{} of {} cannot be fetched: {}", wanted.digest.text(), wanted.home->name,
               opened.error().text());
    return Errno{EIO};
  }
  std::shared_ptr<FillingFile> file = *std::move(opened);
  file->watch([this, gate = gate_, weak = std::weak_ptr(file)](const base::Status& status) {
    const Gate::Pass pass(*gate);
    const auto alive = pass ? weak.lock() : nullptr;
    if (alive) settled(*alive, status);
  });
  return file;
}

void OpenFiles::settled(FillingFile& file, const base::Status& status) {
  if (status) {
    file.set_verified();
    nodes_.mark_verified(file.self().id, file.self().giver);
  } else if (status.error().code == base::Code::kDigestMismatch) {
    poison(file, status.error());
  }
}

void OpenFiles::poison(FillingFile& file, const base::Error& why) {
  if (!file.poison()) return;
  const NodeId id = file.self().id;
  nodes_.mark_poisoned(id);
  log_.error("{} of {}: {}; whoever has it open gets errors from now on",
             file.wanted().digest.text(), file.wanted().home->name, why.text());
  // The kernel waits for these before it drops their pages.
  waiting_.give_up(file);
  file.when_idle([pages = parts_.pages, id] { pages->drop_pages(id, [](const base::Status&) {}); });
}

void OpenFiles::release(NodeId id) {
  Content last;  // closed and unmapped after the lock
  {
    const base::MutexLock lock(mutex_);
    const auto found = files_.find(id);
    if (found == files_.end() || found->second.count == 0 || --found->second.count > 0) return;
    last = std::move(found->second.content);
    files_.erase(found);
  }
  if (last.native) parts_.native->release(last.stored->digest());
}

std::optional<OpenFiles::Content> OpenFiles::content_of(NodeId id) const {
  const base::MutexLock lock(mutex_);
  const auto found = files_.find(id);
  if (found == files_.end()) return std::nullopt;
  return found->second.content;
}

bool OpenFiles::give_up(NodeId id) {
  const auto content = content_of(id);
  if (!content || !content->filling) return false;
  poison(*content->filling, base::make_error(base::Code::kIo, "somebody tried to write to it"));
  return true;
}

Answer<std::variant<Slice, Later>> OpenFiles::read(NodeId id, std::uint64_t offset,
                                                   std::size_t size) {
  auto open = content_of(id);
  if (!open) return Errno{EBADF};
  Content& content = *open;
  if (content.filling) {
    if (content.filling->poisoned()) return Errno{EIO};
    const base::ByteRange range = content.filling->clip(offset, size);
    if (range.empty()) return Slice{};
    return Later{std::move(content.filling), range};
  }
  if (!content.stored) return Errno{EIO};
  const base::Status checked = content.stored->check(offset, size);
  if (checked) return OpenFile::slice(std::move(content.stored), offset, size);
  if (checked.error().code != base::Code::kDigestMismatch) return Errno{EIO};
  parts_.blobs.found_damaged(content.stored->blob(), checked.error());
  if (parts_.filler == nullptr || !has_home(content.stored->content())) return Errno{EIO};
  // Its pages may have to be dropped at any moment, and no read may wait then.
  if (is_writer(id)) return Errno{EIO};
  return go_on_filling(id, *content.stored, offset, size);
}

// The blob has rotted. What was given out of it was checked, so the node goes on.
Answer<std::variant<Slice, Later>> OpenFiles::go_on_filling(NodeId id, const OpenFile& rotten,
                                                            std::uint64_t offset,
                                                            std::size_t size) {
  auto opened = open_filling(id, rotten.content(), rotten.size());
  if (!opened) return opened.error();
  std::shared_ptr<FillingFile> file = *std::move(opened);
  std::shared_ptr<FillingFile> spare;  // dropped after the lock
  {
    const base::MutexLock lock(mutex_);
    const auto found = files_.find(id);
    if (found == files_.end() || found->second.count == 0) return Errno{EBADF};
    // Another read may have found the rot too; then both use the file that came first.
    if (found->second.content.filling)
      spare = std::exchange(file, found->second.content.filling);
    else
      found->second.content.filling = file;
  }
  const base::ByteRange range = file->clip(offset, size);
  return Later{std::move(file), range};
}

PendingReads::Number OpenFiles::wait_for(Later later, ReadDone done) {
  std::shared_ptr<FillingFile> file = later.file;
  return waiting_.add(std::move(later.file), later.range,
                      [this, file = std::move(file), range = later.range, done = std::move(done)](
                          PendingReads::How how, const base::Status& status) {
                        done(end_read(*file, range, how, status));
                        if (!status && status.error().code == base::Code::kDigestMismatch)
                          poison(*file, status.error());
                      });
}

Answer<Slice> OpenFiles::end_read(FillingFile& file, const base::ByteRange& range,
                                  PendingReads::How how, const base::Status& status) {
  if (how == PendingReads::How::kInterrupted) return Errno{EINTR};
  if (how == PendingReads::How::kGivenUp) return Errno{EIO};
  if (status) {
    if (file.first_unsure()) nodes_.mark_unsure(file.self().id, file.self().giver);
    auto slice = file.slice(range);
    if (!slice) return Errno{EIO};
    return *std::move(slice);
  }
  if (status.error().code != base::Code::kDigestMismatch && file.log_now()) {
    log_.error("read of {} of {} at {} failed: {}", file.wanted().digest.text(),
               file.wanted().home->name, range.offset, status.error().text());
  }
  return Errno{status.error().code == base::Code::kQuota ? EDQUOT : EIO};
}

std::size_t OpenFiles::size() const {
  const base::MutexLock lock(mutex_);
  return files_.size();
}

}  // namespace castool::fusefs
