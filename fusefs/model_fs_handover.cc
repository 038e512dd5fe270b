// Going on where another process was.
#include <algorithm>
#include <utility>

#include "fusefs/model_fs.h"

namespace castool::fusefs {

HandoverState ModelFs::hand_over() const {
  HandoverState state;
  state.known = nodes_.all();
  state.files = files_.all();
  state.covers = upper_->all();
  const base::MutexLock lock(listings_mutex_);
  state.next_listing = next_handle_;
  for (const auto& [handle, directory] : listings_) state.listings.push_back({handle, directory});
  return state;
}

void ModelFs::take_over(HandoverState state) {
  for (const KnownNodes::Entry& entry : state.known) nodes_.adopt(entry);
  for (OpenNode& open : state.files) {
    const NodePtr file = nodes_.find(open.id);
    if (file && !file->is_directory()) files_.adopt(std::move(open), file);
  }
  upper_->adopt(std::move(state.covers));
  // Who handed over may not have got round to it.
  for (const KnownNodes::Entry& entry : state.known) {
    if (entry.poisoned && parts_.pages != nullptr)
      parts_.pages->drop_pages(entry.id, [](const base::Status&) {});
  }
  const base::MutexLock lock(listings_mutex_);
  next_handle_ = std::max(next_handle_, state.next_listing);
  for (OpenListing& listing : state.listings)
    listings_.emplace(listing.handle, std::move(listing.directory));
}

}  // namespace castool::fusefs
