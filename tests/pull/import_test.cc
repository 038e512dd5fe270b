#include "pull/import.h"

#include <sys/stat.h>

#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cas/quota_store.h"
#include "manifest/manifest.h"
#include "pull/model_blobs.h"
#include "tests/pull/pull_fixture.h"
#include "tests/support/fault_file_ops.h"

namespace castool::pull {
namespace {

namespace fs = std::filesystem;
using base::Code;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class Importing : public PullFixture {
 protected:
  fs::path write(const std::string& path, const std::string& bytes) {
    const fs::path file = fs::path(root_) / "from" / path;
    fs::create_directories(file.parent_path());
    std::ofstream(file, std::ios::binary) << bytes;
    return file;
  }
  [[nodiscard]] std::string from(const std::string& path = "") const {
    return (fs::path(root_) / "from" / path).string();
  }
  base::Status import_all(const std::string& path, const std::optional<std::string>& name = {}) {
    CASTOOL_ASSIGN(const auto models, scan_import(path, name));
    for (const auto& model : models) {
      CASTOOL_RETURN_IF_ERROR(import_model(*store_, *refs_, model, origins_, {}));
    }
    return base::ok();
  }
  [[nodiscard]] std::vector<std::string> paths_of(const std::string& name) const {
    const auto found = record(name).value();
    const auto blobs = model_blobs(*store_, found.kind, found.manifest).value();
    std::vector<std::string> paths;
    for (const auto& blob : blobs) paths.push_back(blob.path);
    return paths;
  }
};

TEST_F(Importing, ADirectoryBecomesAModel) {
  write("m/config.json", "{}");
  write("m/deep/w.bin", std::string(cas::kChunkSize + 1, 'w'));
  write("m/.git/HEAD", "x");
  ASSERT_TRUE(import_all(from("m"), "acme/m"));
  EXPECT_THAT(paths_of("acme/m"), ElementsAre("config.json", "deep/w.bin"));
  EXPECT_EQ(blob("{}"), "{}");
  const auto first = record("acme/m").value();
  EXPECT_EQ(first.state, manifest::RefState::kComplete);
  EXPECT_EQ(first.source, "");
  ASSERT_TRUE(import_all(from("m")));
  EXPECT_EQ(record("m").value().manifest, first.manifest);  // the same files, the same manifest
}

TEST_F(Importing, AGgufIsAModelOfOneFile) {
  write("tiny-Q4.gguf", "GGUF rest");
  write("other.bin", "no");
  ASSERT_TRUE(import_all(from("tiny-Q4.gguf")));
  EXPECT_THAT(paths_of("tiny-Q4"), ElementsAre("tiny-Q4.gguf"));
  EXPECT_EQ(scan_import(from("other.bin"), {}).error().code, Code::kUsage);
  EXPECT_EQ(scan_import(from("none"), {}).error().code, Code::kNotFound);
}

TEST_F(Importing, LinksLeadNowhereElse) {
  write("secret", "secret");
  write("m/a", "a");
  fs::create_symlink("a", from("m/inside"));
  ASSERT_TRUE(import_all(from("m")));
  EXPECT_THAT(paths_of("m"), ElementsAre("a", "inside"));
  fs::create_symlink("../secret", from("m/outside"));
  const auto refused = import_all(from("m"));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::kUsage);
  fs::remove(from("m/outside"));
  ASSERT_EQ(::mkfifo(from("m/pipe").c_str(), 0600), 0);
  EXPECT_FALSE(import_all(from("m")));
  EXPECT_FALSE(blob("secret"));
}

TEST_F(Importing, AnOllamaTreeBringsItsNamesAndIsChecked) {
  const std::string config = "{}";
  const std::string layer = "GGUF layer";
  const auto layer_of = [](const std::string& type, const std::string& bytes) {
    return R"({"mediaType":")" + type + R"(","digest":")" + base::Sha256::of(bytes).text() +
           R"(","size":)" + std::to_string(bytes.size()) + "}";
  };
  const std::string manifest =
      R"({"schemaVersion":2,"mediaType":"application/vnd.docker.distribution.manifest.v2+json","config":)" +
      layer_of("application/vnd.docker.container.image.v1+json", config) + R"(,"layers":[)" +
      layer_of("application/vnd.ollama.image.model", layer) + "]}";
  write("o/manifests/registry.ollama.ai/library/tiny/1b", manifest);
  write("o/blobs/sha256-" + base::Sha256::of(config).hex(), config);
  const auto file = write("o/blobs/sha256-" + base::Sha256::of(layer).hex(), layer);
  ASSERT_TRUE(import_all(from("o")));
  const auto found = record("tiny:1b").value();
  EXPECT_EQ(found.manifest, base::Sha256::of(manifest));
  EXPECT_EQ(found.source, "ollama://tiny:1b");
  EXPECT_EQ(found.origin, std::string(kFakeRegistry) + " library/tiny");
  EXPECT_EQ(scan_import(from("o"), "x").error().code, Code::kUsage);
  std::ofstream(file, std::ios::binary) << "GGUF lazer";
  const auto wrong = import_all(from("o"));
  ASSERT_FALSE(wrong);
  EXPECT_EQ(wrong.error().code, Code::kDigestMismatch);
  EXPECT_FALSE(blob("GGUF lazer"));
}

TEST_F(Importing, AHubCacheIsWhatWasPulled) {
  const std::string commit(40, 'c');
  const std::string large = "large content";
  const std::string repo = "c/models--acme--m/";
  write(repo + "refs/main", commit);
  write(repo + "blobs/" + base::Sha256::of(large).hex(), large);
  fs::create_directories(from(repo + "snapshots/" + commit));
  fs::create_symlink("../../blobs/" + base::Sha256::of(large).hex(),
                     from(repo + "snapshots/" + commit + "/model.bin"));
  ASSERT_TRUE(import_all(from("c")));
  const auto found = record("acme/m").value();
  EXPECT_EQ(found.source, "hf://acme/m@main");
  EXPECT_EQ(found.revision, commit);
  EXPECT_EQ(found.origin, origins_.hub_endpoint + " acme/m");
  write(repo + "blobs/" + base::Sha256::of(large).hex(), "Large content");
  EXPECT_EQ(import_all(from("c/models--acme--m")).error().code, Code::kDigestMismatch);
}

TEST_F(Importing, AnOvmsRepositoryIsWhatItsConfigNames) {
  write("r/config.json", R"({"model_config_list":[{"config":{"name":"m","base_path":"acme/m"}}]})");
  write("r/acme/m/graph.pbtxt", "graph");
  write("r/acme/other/x", "x");
  ASSERT_TRUE(import_all(from("r")));
  EXPECT_THAT(paths_of("acme/m"), ElementsAre("graph.pbtxt"));
  EXPECT_EQ(refs_->list()->size(), 1u);
  write("r/config.json", R"({"model_config_list":[{"config":{"name":"m","base_path":"../c"}}]})");
  EXPECT_EQ(scan_import(from("r"), {}).error().code, Code::kUsage);
}

TEST_F(Importing, AQuotaHolds) {
  write("m/a", std::string(1000, 'a'));
  ASSERT_TRUE(cas::write_quota(*store_, "default", 999));
  const auto refused = import_all(from("m"));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::kQuota);
  EXPECT_FALSE(record("m"));
  ASSERT_TRUE(cas::write_quota(*store_, "default", std::nullopt));
  EXPECT_TRUE(import_all(from("m")));
}

// Every file operation of an import fails once, and then from some point on.
TEST_F(Importing, FaultsLeaveNothingWrong) {
  write("m/a", std::string(2 * cas::kChunkSize, 'a'));
  write("m/b", "b");
  const auto models = scan_import(from("m"), std::nullopt).value();
  for (const auto& [error, repeat] :
       {std::pair(ENOSPC, testing::Repeat::kOnce), std::pair(EIO, testing::Repeat::kSticky)}) {
    for (std::uint64_t nth = 1;; ++nth) {
      testing::FaultFileOps faults(files_);
      auto faulty =
          cas::Store::open(root_ + "/store", cas::Access::kWrite, faults, clock_, *log_).value();
      auto refs = cas::RefStore::open(*faulty, "default").value();
      faults.set_fault({nth, error, repeat, testing::FileOp::kAny});
      const auto done = import_model(*faulty, refs, models[0], origins_, {});
      if (done) {
        EXPECT_EQ(blob("b"), "b");
        EXPECT_TRUE(record("m"));
      }
      if (const auto left = record("m")) {
        EXPECT_TRUE(model_blobs(*store_, left->kind, left->manifest));
      }
      (void)refs_->remove("m");
      if (!faults.fired()) break;
    }
  }
  ASSERT_TRUE(import_all(from("m")));
}

}  // namespace
}  // namespace castool::pull
