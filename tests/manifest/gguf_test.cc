#include "manifest/gguf.h"

#include <cstdint>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "base/hasher.h"
#include "manifest/gguf_json.h"
#include "manifest/gguf_model.h"

namespace castool::manifest {
namespace {

using ::testing::HasSubstr;

std::string number(std::uint64_t value, std::size_t size) {
  std::string bytes;
  for (std::size_t i = 0; i < size; ++i) bytes += static_cast<char>(value >> (8 * i) & 0xff);
  return bytes;
}
std::string text(std::string_view value) { return number(value.size(), 8) + std::string(value); }
std::string text_pair(std::string_view key, std::string_view value) {
  return text(key) + number(8, 4) + text(value);
}
std::string u32_pair(std::string_view key, std::uint32_t value) {
  return text(key) + number(4, 4) + number(value, 4);
}
std::string tensor(std::string_view name, const std::vector<std::uint64_t>& sizes) {
  std::string bytes = text(name) + number(sizes.size(), 4);
  for (const std::uint64_t size : sizes) bytes += number(size, 8);
  return bytes + number(0, 4) + number(0, 8);
}
std::string gguf(const std::vector<std::string>& pairs, const std::vector<std::string>& tensors,
                 std::uint32_t version = 3) {
  std::string bytes =
      "GGUF" + number(version, 4) + number(tensors.size(), 8) + number(pairs.size(), 8);
  for (const std::string& pair : pairs) bytes += pair;
  for (const std::string& one : tensors) bytes += one;
  return bytes;
}
base::Result<GgufMetadata> read(const std::string& bytes) {
  return read_gguf(std::as_bytes(std::span(bytes)));
}

const std::vector<std::string> kPairs = {
    text_pair("general.architecture", "qwen3"),
    text_pair("general.name", "Qwen3"),
    u32_pair("general.file_type", 15),
    text("qwen3.context_length") + number(10, 4) + number(40960, 8),
    u32_pair("qwen3.embedding_length", 1024),
    u32_pair("llama.context_length", 7),
    text("tokenizer.ggml.tokens") + number(9, 4) + number(8, 4) + number(2, 8) + text("a") +
        text("b"),
    text("tokenizer.ggml.scores") + number(9, 4) + number(6, 4) + number(2, 8) + number(0, 8),
    text_pair("tokenizer.chat_template", "{% for m %}<|im_start|>"),
};

TEST(Gguf, SaysWhatItIs) {
  const auto metadata = read(gguf(kPairs, {tensor("a", {1000, 700}), tensor("b", {5})}));
  ASSERT_TRUE(metadata) << metadata.error().text();
  EXPECT_EQ(metadata->architecture, "qwen3");
  EXPECT_EQ(metadata->name, "Qwen3");
  EXPECT_EQ(metadata->file_type, 15u);
  EXPECT_EQ(metadata->context_length, 40960u);
  EXPECT_EQ(metadata->embedding_length, 1024u);
  EXPECT_EQ(metadata->parameters, 700'005u);
  EXPECT_EQ(metadata->chat_template, "{% for m %}<|im_start|>");
}

TEST(Gguf, EveryCutIsAnError) {
  const std::string whole = gguf(kPairs, {tensor("a", {1000, 700})});
  for (std::size_t size = 0; size < whole.size(); ++size)
    EXPECT_FALSE(read(whole.substr(0, size))) << size;
  EXPECT_TRUE(read(whole));
}

TEST(Gguf, LiesAreErrors) {
  const auto refused = [](const std::string& bytes) {
    const auto metadata = read(bytes);
    return metadata ? "taken" : metadata.error().message;
  };
  EXPECT_THAT(refused("GGML" + gguf(kPairs, {}).substr(4)), HasSubstr("none"));
  EXPECT_THAT(refused(gguf(kPairs, {}, 1)), HasSubstr("version"));
  EXPECT_THAT(refused(gguf({}, {})), HasSubstr("architecture"));
  EXPECT_THAT(refused("GGUF" + number(3, 4) + number(UINT64_MAX, 8) + number(0, 8)),
              HasSubstr("too many"));
  EXPECT_THAT(refused("GGUF" + number(3, 4) + number(0, 8) + number(UINT64_MAX, 8)),
              HasSubstr("metadata"));
  const std::string huge = text("x") + number(9, 4) + number(4, 4) + number(1ULL << 62, 8);
  EXPECT_THAT(refused(gguf({kPairs[0], huge}, {})), HasSubstr("metadata"));
  std::string nested = text("x") + number(9, 4);
  for (int i = 0; i < 6; ++i) nested += number(9, 4) + number(1, 8);
  EXPECT_THAT(refused(gguf({kPairs[0], nested + number(4, 4) + number(0, 8)}, {})),
              HasSubstr("metadata"));
  EXPECT_THAT(refused(gguf({kPairs[0]}, {tensor("a", {1ULL << 40, 1ULL << 40})})),
              HasSubstr("tensors"));
  EXPECT_THAT(refused(gguf({kPairs[0]}, {tensor("a", std::vector<std::uint64_t>(9, 1))})),
              HasSubstr("tensors"));
}

TEST(Gguf, WhatHasAnotherTypeOrIsNoTextIsPassedOver) {
  const auto metadata =
      read(gguf({kPairs[0], text_pair("general.file_type", "15"), u32_pair("general.name", 5),
                 text("qwen3.context_length") + number(5, 4) + number(0xffffffff, 4),
                 text_pair("tokenizer.chat_template", "\xff")},
                {}));
  ASSERT_TRUE(metadata) << metadata.error().text();
  EXPECT_FALSE(metadata->file_type || metadata->context_length);
  EXPECT_EQ(metadata->name + metadata->chat_template, "");
}

TEST(Gguf, TextsThatAreTooLongArePassedOver) {
  for (const std::size_t more : {0u, 1u}) {
    const auto metadata =
        read(gguf({kPairs[0], text_pair("general.name", std::string(kMaxGgufName + more, 'n')),
                   text_pair("tokenizer.chat_template", std::string(kMaxChatTemplate + more, 't'))},
                  {}));
    ASSERT_TRUE(metadata) << metadata.error().text();
    EXPECT_EQ(metadata->name.size(), more == 0 ? kMaxGgufName : 0);
    EXPECT_EQ(metadata->chat_template.size(), more == 0 ? kMaxChatTemplate : 0);
  }
}

TEST(Gguf, NamesTellQuantisationsAndParts) {
  EXPECT_EQ(gguf_quantisation(15), "Q4_K_M");
  EXPECT_EQ(gguf_quantisation(999), "unknown");
  const std::pair<const char*, const char*> names[] = {{"m-Q4_K_M.gguf", "Q4_K_M"},
                                                       {"m.q8_0.gguf", "q8_0"},
                                                       {"m-IQ4_XS.GGUF", "IQ4_XS"},
                                                       {"m-bf16.gguf", "bf16"},
                                                       {"m.gguf", ""},
                                                       {"Q8_0.gguf", ""},
                                                       {"mQ8_0.gguf", ""},
                                                       {"m-Q4_K_M-extra.gguf", ""},
                                                       {"m-Q8_0.bin", ""}};
  for (const auto& [name, quantisation] : names)
    EXPECT_EQ(quantisation_in_name(name), quantisation) << name;
  EXPECT_TRUE(is_gguf_part("m-00001-of-00003.gguf"));
  for (const char* name :
       {"m.gguf", "m-1-of-3.gguf", "m-00001-of-00003.bin", "-of-.gguf", "m00001-of-00003.gguf"})
    EXPECT_FALSE(is_gguf_part(name)) << name;
}

TEST(GgufModel, IsWhatOllamaReads) {
  const auto metadata = *read(gguf(kPairs, {tensor("a", {1000, 700'000})}));
  const base::Digest digest = base::Sha256::of(std::string_view("gguf"));
  const auto made = make_gguf_model(metadata, digest, 12345);
  ASSERT_TRUE(made);
  ASSERT_EQ(made->blobs.size(), 3u);
  const auto config = nlohmann::json::parse(made->blobs[0]);
  EXPECT_EQ(config["model_format"], "gguf");
  EXPECT_EQ(config["model_family"], "qwen3");
  EXPECT_EQ(config["model_families"], nlohmann::json::array({"qwen3"}));
  EXPECT_EQ(config["model_type"], "700M");
  EXPECT_EQ(config["file_type"], "Q4_K_M");
  EXPECT_EQ(config["context_length"], 40960);
  EXPECT_EQ(nlohmann::json::parse(made->blobs[2])["stop"][0], "<|im_start|>");
  const auto parsed = parse_ollama_manifest(made->manifest);
  ASSERT_TRUE(parsed) << parsed.error().text();
  EXPECT_EQ(parsed->config.digest, base::Sha256::of(std::string_view(made->blobs[0])));
  ASSERT_EQ(parsed->layers.size(), 3u);
  EXPECT_EQ(parsed->layers[0].media_type, "application/vnd.ollama.image.model");
  EXPECT_EQ(parsed->layers[0].digest, digest);
  EXPECT_EQ(parsed->layers[0].size, 12345u);
  EXPECT_EQ(parsed->layers[1].digest, base::Sha256::of(std::string_view(made->blobs[1])));
  EXPECT_EQ(make_gguf_model(metadata, digest, 12345)->manifest, made->manifest);
  GgufMetadata projector = metadata;
  projector.architecture = "clip";
  EXPECT_EQ(make_gguf_model(projector, digest, 1).error().code, base::Code::kUnsupported);
  GgufMetadata plain = metadata;
  plain.chat_template = "nothing known";
  EXPECT_EQ(make_gguf_model(plain, digest, 1)->blobs.size(), 1u);
}

TEST(GgufModel, ParametersAsOllamaWritesThem) {
  const std::pair<std::uint64_t, const char*> rows[] = {
      {3'212'749'888, "3.2B"}, {7'000'000'000, "7B"}, {134'515'008, "134.52M"},
      {135'000'000, "135M"},   {33'000, "33K"},       {12, "12"}};
  for (const auto& [count, text] : rows) EXPECT_EQ(human_parameters(count), text);
}

TEST(GgufModel, FilesGetTags) {
  HubManifest manifest;
  manifest.repo = "user/Model-GGUF";
  const auto names_of = [&](const std::vector<std::string>& paths) {
    manifest.files.clear();
    for (const std::string& path : paths) manifest.files.push_back({path, {}, 1, {}});
    std::string all;
    for (const GgufName& name : gguf_names(manifest))
      all +=
          name.file->path + (name.path.empty() ? ": " + name.left_out : " = " + name.path) + "\n";
    return all;
  };
  EXPECT_EQ(names_of({"README.md", "m-Q4_K_M.gguf", "sub/m-Q8_0.gguf", "m.gguf"}),
            "m-Q4_K_M.gguf = hf.co/user/Model-GGUF/Q4_K_M\n"
            "sub/m-Q8_0.gguf = hf.co/user/Model-GGUF/Q8_0\n"
            "m.gguf = hf.co/user/Model-GGUF/m.gguf\n");
  EXPECT_EQ(names_of({"a-Q8_0.gguf", "b-Q8_0.gguf"}),
            "a-Q8_0.gguf = hf.co/user/Model-GGUF/a-Q8_0.gguf\n"
            "b-Q8_0.gguf = hf.co/user/Model-GGUF/b-Q8_0.gguf\n");
  EXPECT_THAT(names_of({"m-00001-of-00002.gguf"}), HasSubstr("several parts"));
  EXPECT_THAT(names_of({"a/m.gguf", "b/m.gguf"}), HasSubstr("another file"));
  EXPECT_THAT(names_of({"with space.gguf"}), HasSubstr("takes no name"));
  EXPECT_THAT(names_of({std::string(90, 'x') + ".gguf"}), HasSubstr("takes no name"));
  manifest.repo = "us.er/m";
  EXPECT_THAT(names_of({"m.gguf"}), HasSubstr("takes no name"));
}

base::Result<std::string> json_of(const std::vector<std::string>& pairs, GgufArrays arrays) {
  const std::string bytes = gguf(pairs, {tensor("a", {3, 5})});
  return gguf_json(std::as_bytes(std::span(bytes)), arrays);
}

std::string numbers(std::string_view key, const std::vector<std::uint32_t>& values) {
  std::string bytes = text(key) + number(9, 4) + number(4, 4) + number(values.size(), 8);
  for (const std::uint32_t value : values) bytes += number(value, 4);
  return bytes;
}

TEST(GgufJson, HasWhatTheFileSays) {
  const std::vector<std::string> pairs = {
      text_pair("general.architecture", "llama"),
      text_pair("general.name", "left out"),
      text_pair("tokenizer.chat_template", "left out"),
      text_pair("a.quoted", "\"\n"),
      text("b.signed") + number(5, 4) + number(0xffffffff, 4),
      text("b.small") + number(1, 4) + number(0x80, 1),
      text("b.large") + number(10, 4) + number(0xffffffffffffffff, 8),
      text("c.float") + number(6, 4) + number(0x3727c5ac, 4),  // 1e-05
      text("c.nan") + number(6, 4) + number(0x7fc00000, 4),
      text("c.true") + number(7, 4) + number(1, 1),
      numbers("d.five", {1, 2, 3, 4, 5}),
      numbers("d.six", {1, 2, 3, 4, 5, 6}),
      text("d.texts") + number(9, 4) + number(8, 4) + number(2, 8) + text("x") + text("\xff"),
  };
  const auto shown = json_of(pairs, GgufArrays::kShort);
  ASSERT_TRUE(shown) << shown.error().text();
  EXPECT_EQ(*shown,
            "{\"a.quoted\":\"\\\"\\n\",\"b.large\":18446744073709551615,\"b.signed\":-1,"
            "\"b.small\":-128,\"c.float\":1e-05,\"c.nan\":null,\"c.true\":true,"
            "\"d.five\":[1,2,3,4,5],\"d.six\":[],\"d.texts\":[\"x\",\"\xef\xbf\xbd\"],"
            "\"general.architecture\":\"llama\",\"general.parameter_count\":15}");
  EXPECT_TRUE(nlohmann::json::accept(*shown));
  EXPECT_THAT(*json_of(pairs, GgufArrays::kAll), HasSubstr("\"d.six\":[1,2,3,4,5,6]"));
}

TEST(GgufJson, RefusesWhatIsCutAnywhere) {
  const std::string bytes = gguf(kPairs, {tensor("a", {3, 5})});
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_FALSE(gguf_json(std::as_bytes(std::span(bytes)).first(size), GgufArrays::kAll)) << size;
  }
}

}  // namespace
}  // namespace castool::manifest
