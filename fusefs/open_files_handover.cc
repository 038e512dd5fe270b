// What is open, given to another process and taken from one.
#include <fcntl.h>

#include <cerrno>
#include <utility>

#include "fusefs/open_files.h"

namespace castool::fusefs {

std::vector<OpenNode> OpenFiles::all() const {
  std::vector<OpenNode> all;
  std::vector<std::pair<std::size_t, std::shared_ptr<FillingFile>>>
      filling;  // asked after the lock
  {
    const base::MutexLock lock(mutex_);
    for (const auto& [id, opened] : files_) {
      if (opened.count == 0) continue;
      OpenNode open;
      open.id = id;
      open.count = opened.count;
      open.native = opened.content.native.value_or(0);
      open.filling = opened.content.filling != nullptr;
      const auto& stored = opened.content.stored;
      if (open.filling)
        filling.emplace_back(all.size(), opened.content.filling);
      else if (stored && std::holds_alternative<BlobContent>(stored->content()))
        open.blob.reset(::fcntl(stored->fd(), F_DUPFD_CLOEXEC, 0));
      all.push_back(std::move(open));
    }
  }
  for (const auto& [at, file] : filling) all[at].given_out = file->blob().given_out();
  return all;
}

void OpenFiles::adopt(OpenNode open, const NodePtr& file) {
  Answer<Content> content = Errno{EIO};
  if (!nodes_.poisoned(open.id)) content = open_again(open, *file);
  const base::MutexLock lock(mutex_);
  Opened& entry = files_[open.id];
  entry.count = open.count;
  if (content) entry.content = *std::move(content);
}

Answer<OpenFiles::Content> OpenFiles::open_again(OpenNode& open, const Node& file) {
  if (open.filling) {
    if (!can_fill(file)) return Errno{EIO};
    auto opened = open_filling(open.id, file.content(), file.size());
    if (!opened) return opened.error();
    std::shared_ptr<FillingFile> filling = *std::move(opened);
    if (nodes_.unsure(open.id) && filling->first_unsure())
      nodes_.mark_unsure(open.id, filling->self().giver);
    filling->blob().go_on_from(open.given_out);
    return Content{nullptr, std::move(filling), std::nullopt};
  }
  auto stored =
      OpenFile::open_again(parts_.blobs, file.content(), file.size(), std::move(open.blob));
  if (!stored) return log_unreadable(log_, file, stored.error());
  Content content{*std::move(stored), nullptr, std::nullopt};
  if (open.native != 0) {
    parts_.native->adopt(content.stored->digest(), open.native);
    content.native = open.native;
  }
  return content;
}

}  // namespace castool::fusefs
