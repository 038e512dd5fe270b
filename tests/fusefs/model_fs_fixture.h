// A file system over blobs and manifests in memory, and short words to ask it.
#pragma once

#include <future>
#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include <gtest/gtest.h>

#include "fusefs/fakes.h"
#include "fusefs/model_fs.h"

namespace castool::fusefs::testing {

class ModelFsTest : public ::testing::Test {
 protected:
  manifest::RefRecord add(const std::string& name, const Files& files, std::int64_t pulled_at = 5) {
    for (const auto& [path, bytes] : files) blobs_.put(bytes);
    return hub_record(name, manifests_->put(hub_manifest_bytes(name, files)), pulled_at);
  }
  TreePtr tree_of(const std::vector<manifest::RefRecord>& records) {
    return make_view(Layout::kOvms, {records, nullptr, manifests_}).tree;
  }
  Ino walk(ModelFs& fs, std::string_view path) {
    Ino at = kRootIno;
    while (!path.empty()) {
      const std::size_t slash = path.find('/');
      const auto entry = fs.lookup(at, path.substr(0, slash));
      if (!entry || !entry->node) return 0;
      at = entry->node->ino();
      path = slash == std::string_view::npos ? std::string_view() : path.substr(slash + 1);
    }
    return at;
  }
  // Another thread may answer, when it opens the same file first.
  static Answer<OpenedFile> open(ModelFs& fs, NodeId id, int flags, pid_t task = 0) {
    const auto promise = std::make_shared<std::promise<Answer<OpenedFile>>>();
    auto answer = promise->get_future();
    fs.open(id, {flags, task},
            [promise](const Answer<OpenedFile>& opened) { promise->set_value(opened); });
    return answer.get();
  }
  static std::string read(ModelFs& fs, NodeId id, std::uint64_t offset, std::size_t size) {
    auto answer = fs.files().read(id, offset, size);
    if (!answer) return "errno " + std::to_string(answer.error().value);
    const auto* slice = std::get_if<Slice>(&*answer);
    return slice == nullptr ? "later" : bytes_of(*slice);
  }
  static std::string bytes_of(const Slice& slice) {
    return slice.size == 0 ? std::string()
                           : std::string(reinterpret_cast<const char*>(slice.data), slice.size);
  }
  static std::vector<std::string> list(ModelFs& fs, Ino ino) {
    const auto opened = fs.opendir(ino);
    if (!opened) return {"errno " + std::to_string(opened.error().value)};
    std::vector<std::string> names;
    if (const auto listing = fs.list(opened->handle, ino, 0)) {
      for (const NodePtr& child : *listing->children) {
        if (fs.entry_of(*listing->directory, child).node) names.push_back(child->name());
      }
    }
    fs.releasedir(opened->handle);
    return names;
  }

  FakeBlobs blobs_;
  std::shared_ptr<FakeManifests> manifests_ = std::make_shared<FakeManifests>();
  RecordingLog log_;
};

}  // namespace castool::fusefs::testing
