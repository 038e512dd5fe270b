#include "manifest/manifest.h"

#include <algorithm>
#include <ctime>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/hasher.h"
#include "tests/support/instrumented.h"

namespace castool::manifest {
namespace {

using base::Code;
using base::Digest;
using ::testing::HasSubstr;

// llama3.2:3b as registry.ollama.ai sends it.
constexpr std::string_view kGolden =
    R"({"schemaVersion":2,"mediaType":"application/vnd.docker.distribution.manifest.v2+json",)"
    R"("config":{"mediaType":"application/vnd.docker.container.image.v1+json",)"
    R"("digest":"sha256:34bb5ab01051a11372a91f95f3fbbc51173eed8e7f13ec395b9ae9b8bd0e242b",)"
    R"("size":561},"layers":[{"mediaType":"application/vnd.ollama.image.model",)"
    R"("digest":"sha256:dde5aa3fc5ffc17176b5e8bdc82f587b24b2678c6c66101bf7da77af9f7ccdff",)"
    R"("size":2019377376},{"mediaType":"application/vnd.ollama.image.template",)"
    R"("digest":"sha256:966de95ca8a62200913e3f8bfbf84c8494536f1b94b49166851e76644e966396",)"
    R"("size":1429},{"mediaType":"application/vnd.ollama.image.license",)"
    R"("digest":"sha256:fcc5a6bec9daf9b561a68827b67ab6088e1dba9d1fa2a50d7bbcc8384e0a265d",)"
    R"("size":7711},{"mediaType":"application/vnd.ollama.image.license",)"
    R"("digest":"sha256:a70ff7e570d97baaf4e62ac6e6ad9975e04caa6d900d3742d37698494479e0cd",)"
    R"("size":6016},{"mediaType":"application/vnd.ollama.image.params",)"
    R"("digest":"sha256:56bb8bd477a519ffa694fc449c2413c6f0e1d3b1c88fa7e3c9d88d3ae49d4dcb",)"
    R"("size":96}]})";

const std::string kA = "sha256:" + std::string(64, 'a');
const std::string kB = "sha256:" + std::string(64, 'b');
const std::string kEmpty =
    "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

std::string layer(const std::string& digest, const std::string& size) {
  return R"({"mediaType":"m","digest":")" + digest + R"(","size":)" + size + "}";
}

std::string document(const std::string& config, const std::string& layers,
                     const std::string& more = "") {
  return R"({"schemaVersion":2,)" + more + R"("config":)" + config + R"(,"layers":[)" + layers +
         "]}";
}

Code code_of(const std::string& json) {
  const auto manifest = parse_ollama_manifest(json);
  return manifest ? Code::kInternal : manifest.error().code;
}

TEST(OllamaManifest, GoldenVector) {
  ASSERT_EQ(base::Sha256::of(kGolden).hex(),
            "a80c4f17acd55265feec403c7aef86be0c25983ab279d83f3bcd3abbcb5b8b72");
  const auto manifest = parse_ollama_manifest(kGolden);
  ASSERT_TRUE(manifest) << manifest.error().message;
  EXPECT_EQ(manifest->config.size, 561u);
  ASSERT_EQ(manifest->layers.size(), 5u);
  EXPECT_EQ(manifest->layers[0].media_type, "application/vnd.ollama.image.model");
  std::uint64_t total = 0;
  for (const Layer& blob : manifest->distinct_blobs()) total += blob.size;
  EXPECT_EQ(total, 2019393189u);
}

TEST(OllamaManifest, IsLenientWhereRegistriesDiffer) {
  const auto manifest = parse_ollama_manifest(
      " {\n \"schemaVersion\" : 2, \"artifactType\": \"x\", \"annotations\": {\"a\": [1.5]},\n"
      R"("mediaType":"application/vnd.oci.image.manifest.v1+json","config":)" +
      layer(kA, "1") + R"(,"layers":[{"digest":")" + kB +
      R"(","size":2,"from":"/x","name":"../y","urls":["http://h/"]},)" + layer(kB, "2") + "," +
      layer(kA, "1") + "," + layer(kEmpty, "0") + "]}\n");
  ASSERT_TRUE(manifest) << manifest.error().message;
  EXPECT_EQ(manifest->layers.size(), 4u);
  const auto blobs = manifest->distinct_blobs();
  ASSERT_EQ(blobs.size(), 3u);
  EXPECT_EQ(blobs[0].digest.text(), kA);
  EXPECT_EQ(blobs[1].digest.text(), kB);
  EXPECT_EQ(blobs[2].digest.text(), kEmpty);
}

TEST(OllamaManifest, ASameDigestHasOneSize) {
  EXPECT_EQ(code_of(document(layer(kA, "1"), layer(kA, "1"))), Code::kInternal);
  EXPECT_EQ(code_of(document(layer(kA, "1"), layer(kA, "2"))), Code::kBadManifest);
  EXPECT_EQ(code_of(document(layer(kA, "1"), layer(kB, "2") + "," + layer(kB, "3"))),
            Code::kBadManifest);
  EXPECT_EQ(code_of(document(layer(kA, "0"), "")), Code::kBadManifest);
  EXPECT_EQ(code_of(document(layer(kEmpty, "1"), "")), Code::kBadManifest);
}

TEST(OllamaManifest, RefusesDocumentsOfAnotherKind) {
  const std::string plain = document(layer(kA, "1"), layer(kB, "2"));
  ASSERT_TRUE(parse_ollama_manifest(plain));
  const std::string config = layer(kA, "1");
  const std::vector<std::pair<std::string, Code>> documents{
      {document(config, layer(kB, "2"), R"("manifests":[],)"), Code::kBadManifest},
      {R"({"schemaVersion":2,"manifests":[],"config":)" + config + "}", Code::kBadManifest},
      {R"({"schemaVersion":2,"manifests":[]})", Code::kUnsupported},
      {R"({"schemaVersion":1,"fsLayers":[],"signatures":[]})", Code::kUnsupported},
      {R"({"schemaVersion":3,"config":)" + config + R"(,"layers":[]})", Code::kUnsupported},
      {R"({"schemaVersion":"2","config":)" + config + R"(,"layers":[]})", Code::kBadManifest},
      {R"({"config":)" + config + R"(,"layers":[]})", Code::kBadManifest},
      {document(config, "", R"("mediaType":"application/vnd.oci.image.index.v1+json",)"),
       Code::kUnsupported},
      {document(config, "", R"("layers":[],)"), Code::kBadManifest},
      {document(config, R"({"digest":")" + kB + R"(","digest":")" + kA + R"(","size":2})"),
       Code::kBadManifest},
      {document(config, layer("sha512:" + std::string(128, 'a'), "2")), Code::kUnsupported},
      {R"({"schemaVersion":2,"layers":[]})", Code::kBadManifest},
      {R"({"schemaVersion":2,"config":)" + config + "}", Code::kBadManifest},
      {R"({"schemaVersion":2,"config":[],"layers":[]})", Code::kBadManifest},
      {R"({"schemaVersion":2,"config":)" + config + R"(,"layers":{}})", Code::kBadManifest},
      {document(config, "7"), Code::kBadManifest},
      {"[]", Code::kBadManifest},
      {"<html>", Code::kBadManifest},
      {"", Code::kBadManifest},
  };
  for (const auto& [json, code] : documents) EXPECT_EQ(code_of(json), code) << json;
}

TEST(OllamaManifest, RefusesEveryOtherSpellingOfADigest) {
  const std::string hex(64, 'a');
  const std::vector<std::string> bad{"",
                                     "sha256",
                                     "sha256:",
                                     hex,
                                     "sha256:" + hex.substr(1),
                                     "sha256:" + hex + "a",
                                     "sha256:" + std::string(64, 'A'),
                                     "SHA256:" + hex,
                                     "Sha256:" + hex,
                                     "sha256-" + hex,
                                     "sha256:" + hex + " ",
                                     " sha256:" + hex,
                                     "sha256: " + hex.substr(1),
                                     "sha256:" + hex.substr(1) + "g",
                                     "sha256:" + hex.substr(1) + "\\n",
                                     "sha256:" + hex.substr(1) + "\\u0000",
                                     "sha256:" + hex + "\\u0000",
                                     "sha256:../../../../etc/passwd",
                                     "sha256:" + std::string(61, 'a') + "../",
                                     "sha256:" + std::string(58, 'a') + "%2e%2e",
                                     "sha256:/" + hex.substr(1),
                                     "sha256:." + hex.substr(1),
                                     "../" + hex,
                                     "../../x",
                                     "/etc/passwd",
                                     "sha256:sha256:" + hex,
                                     "sha256:" + hex.substr(7) + "sha256:",
                                     "md5:" + hex.substr(0, 32),
                                     "sha1:" + hex.substr(0, 40),
                                     "sha256:" + hex.substr(0, 40),
                                     "sha256:" + std::string(63, 'a') + "\xc3\xa9",
                                     "sha256:0x" + hex.substr(2),
                                     "sha256:" + std::string(64, '-'),
                                     "sha256:+" + hex.substr(1),
                                     "sha256:" + std::string(10'000, 'a'),
                                     "sha256;" + hex,
                                     "sha256:" + hex.substr(1) + "?",
                                     "sha256:" + hex.substr(1) + "#",
                                     "sha256:" + hex.substr(1) + "/",
                                     "sha256:" + hex.substr(2) + ".."};
  ASSERT_GE(bad.size(), 40u);
  for (const std::string& digest : bad) {
    EXPECT_EQ(code_of(document(layer(digest, "1"), "")), Code::kBadManifest) << digest;
    EXPECT_EQ(code_of(document(layer(kA, "1"), layer(digest, "1"))), Code::kBadManifest) << digest;
  }
  EXPECT_EQ(code_of(document(R"({"size":1})", "")), Code::kBadManifest);
  EXPECT_EQ(code_of(document(R"({"digest":5,"size":1})", "")), Code::kBadManifest);
}

TEST(OllamaManifest, ChecksSizesAndTheirSum) {
  for (const std::string size : {"-1", "9223372036854775808", "18446744073709551616", "1e400",
                                 "1.5", "1e3", "\"1\"", "null", "true", "-0"}) {
    EXPECT_EQ(code_of(document(layer(kA, size), "")), Code::kBadManifest) << size;
  }
  EXPECT_EQ(code_of(document(layer(kA, "9223372036854775807"), "")), Code::kInternal);
  EXPECT_EQ(code_of(document(layer(kA, "9223372036854775807"), layer(kB, "1"))),
            Code::kBadManifest);
  // Said twice it is counted once.
  EXPECT_EQ(code_of(document(layer(kA, "9223372036854775807"), layer(kA, "9223372036854775807"))),
            Code::kInternal);
}

TEST(OllamaManifest, ChecksItsLimits) {
  std::string layers = layer(kB, "2");
  for (int i = 1; i < 10'000; ++i) layers += "," + layer(kB, "2");
  EXPECT_EQ(code_of(document(layer(kA, "1"), layers)), Code::kInternal);
  EXPECT_THAT(parse_ollama_manifest(document(layer(kA, "1"), layers + "," + layer(kB, "2")))
                  .error()
                  .message,
              HasSubstr("10000 layers"));
  EXPECT_EQ(code_of(std::string(1'000'000, '[')), Code::kBadManifest);
  EXPECT_EQ(code_of(document(layer(kA, "1"), "") + std::string(kMaxManifestBytes, ' ')),
            Code::kBadManifest);
}

FileEntry file(const std::string& path, char digit, std::uint64_t size) {
  return {path, Digest::parse_hex(std::string(64, digit)).value(), size, std::nullopt};
}

HubManifest sample() {
  HubManifest manifest{"https://huggingface.co", "acme/x", std::string(40, 'c'), {}};
  manifest.files = {file("b/\"odd\" #%é.txt", 'b', 2), file("a.json", 'a', 1)};
  manifest.files[1].git_oid = base::GitOid::parse_hex(std::string(40, 'd')).value();
  return manifest;
}

TEST(HubManifest, PrintsItsCanonicalForm) {
  const std::string a(64, 'a');
  const std::string b(64, 'b');
  EXPECT_EQ(print_hub_manifest(sample()),
            R"({"format":1,"kind":"hub","endpoint":"https://huggingface.co","repo":"acme/x",)"
            R"("commit":")" +
                std::string(40, 'c') + R"(","files":[)" + "\n" +
                R"({"path":"a.json","digest":"sha256:)" + a + R"(","size":1,"git_oid":")" +
                std::string(40, 'd') + "\"},\n" +
                R"({"path":"b/\"odd\" #%é.txt","digest":"sha256:)" + b + "\",\"size\":2}\n]}\n");
}

TEST(HubManifest, OrderOfFilesDoesNotMatterForTheBytes) {
  HubManifest turned = sample();
  std::ranges::reverse(turned.files);
  EXPECT_EQ(print_hub_manifest(turned), print_hub_manifest(sample()));
}

TEST(HubManifest, ComesBackAsItWas) {
  const std::string bytes = print_hub_manifest(sample());
  const auto manifest = parse_hub_manifest(bytes);
  ASSERT_TRUE(manifest) << manifest.error().message;
  EXPECT_EQ(manifest->repo, "acme/x");
  ASSERT_EQ(manifest->files.size(), 2u);
  EXPECT_EQ(manifest->files[0].path, "a.json");
  EXPECT_EQ(manifest->files[0].git_oid->hex(), std::string(40, 'd'));
  EXPECT_FALSE(manifest->files[1].git_oid);
  EXPECT_EQ(print_hub_manifest(*manifest), bytes);
}

TEST(HubManifest, AnEmptyRepositoryIsOne) {
  HubManifest manifest = sample();
  manifest.files.clear();
  const auto again = parse_hub_manifest(print_hub_manifest(manifest));
  ASSERT_TRUE(again);
  EXPECT_TRUE(again->files.empty());
}

// The sample with one text replaced.
Code code_with(const std::string& from, const std::string& to) {
  std::string bytes = print_hub_manifest(sample());
  const std::size_t at = bytes.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  bytes.replace(at, from.size(), to);
  const auto manifest = parse_hub_manifest(bytes);
  return manifest ? Code::kInternal : manifest.error().code;
}

TEST(HubManifest, RefusesWhatIsNotOne) {
  EXPECT_EQ(code_with("\"format\":1", "\"format\":1,\"new\":{}"), Code::kInternal);
  EXPECT_EQ(code_with("\"format\":1", "\"format\":2"), Code::kUnsupported);
  EXPECT_EQ(code_with("\"format\":1,", ""), Code::kBadManifest);
  EXPECT_EQ(code_with("\"hub\"", "\"ollama\""), Code::kBadManifest);
  for (const std::string endpoint : {"ftp://h", "https://u:p@h", "huggingface.co", "https://h/"}) {
    EXPECT_EQ(code_with("https://huggingface.co", endpoint), Code::kBadManifest) << endpoint;
  }
  EXPECT_EQ(code_with("acme/x", "acme/../x"), Code::kBadManifest);
  EXPECT_EQ(code_with(std::string(40, 'c'), std::string(39, 'c')), Code::kBadManifest);
  EXPECT_EQ(code_with("a.json", "z.json"), Code::kBadManifest);  // out of order
  EXPECT_EQ(code_with("a.json", "../json"), Code::kBadManifest);
  EXPECT_EQ(code_with("a.json", "b"), Code::kBadManifest);  // and b/... is there
  EXPECT_EQ(code_with("\"size\":1", "\"size\":-1"), Code::kBadManifest);
  EXPECT_EQ(code_with("\"size\":1", "\"size\":9223372036854775807"), Code::kBadManifest);  // sum
  EXPECT_EQ(code_with(std::string(40, 'd'), std::string(40, 'D')), Code::kBadManifest);
  EXPECT_EQ(code_with("sha256:a", "sha256:A"), Code::kBadManifest);
}

HubManifest tree_of(int files) {
  HubManifest manifest = sample();
  manifest.files.clear();
  for (int i = 0; i < files; ++i) {
    manifest.files.push_back(
        file("shards/" + std::to_string(1'000'000 + i) + "/weights.bin", 'a', 1'000'000));
    manifest.files.back().git_oid = base::GitOid{};
  }
  return manifest;
}

// Processor time: a busy machine must not decide.
double seconds_to_parse(const std::string& bytes) {
  const std::clock_t start = std::clock();
  const auto manifest = parse_hub_manifest(bytes);
  const double seconds = static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC;
  EXPECT_TRUE(manifest) << manifest.error().message;
  return seconds;
}

TEST(HubManifest, LargestTreeParsesInLinearTime) {
  constexpr int kLargest = 200'000;
  HubManifest largest = tree_of(castool::testing::kInstrumented ? kLargest / 10 : kLargest);
  const int files = static_cast<int>(largest.files.size());
  const double tenth = seconds_to_parse(print_hub_manifest(tree_of(files / 10)));
  const double whole = seconds_to_parse(print_hub_manifest(largest));
  RecordProperty("milliseconds", static_cast<int>(whole * 1000));
  // Linear time takes ten times as long, caches that overflow a little more; quadratic a hundred.
  EXPECT_LT(whole, 40 * tenth);
  if (files < kLargest) return;
  largest.files.push_back(file("z", 'a', 1));
  EXPECT_FALSE(parse_hub_manifest(print_hub_manifest(largest)));
}

}  // namespace
}  // namespace castool::manifest
