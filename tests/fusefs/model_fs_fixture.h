// A file system over blobs and manifests in memory, and short words to ask it.
#pragma once

#include <memory>
#include <string>
#include <string_view>
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
    return make_ovms_view({records, nullptr, manifests_}).tree;
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
  static std::string read(ModelFs& fs, Ino ino, std::uint64_t offset, std::size_t size) {
    const auto slice = fs.read(ino, offset, size);
    if (!slice) return "errno " + std::to_string(slice.error().value);
    return slice->size == 0 ? std::string()
                            : std::string(reinterpret_cast<const char*>(slice->data), slice->size);
  }
  static std::vector<std::string> list(ModelFs& fs, Ino ino) {
    const auto opened = fs.opendir(ino);
    if (!opened) return {"errno " + std::to_string(opened.error().value)};
    std::vector<std::string> names;
    if (const auto listing = fs.list(opened->handle, ino, 0)) {
      for (const NodePtr& child : *listing->children) names.push_back(child->name());
    }
    fs.releasedir(opened->handle);
    return names;
  }

  FakeBlobs blobs_;
  std::shared_ptr<FakeManifests> manifests_ = std::make_shared<FakeManifests>();
  RecordingLog log_;
};

}  // namespace castool::fusefs::testing
