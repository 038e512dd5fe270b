#include "tests/support/hub/sample.h"

#include <fstream>
#include <stdexcept>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/hasher.h"
#include "tests/support/hub/gguf.h"

namespace castool::hub {
namespace {

namespace fs = std::filesystem;
using nlohmann::ordered_json;

constexpr const char* kModelId = "library/tiny";
constexpr const char* kTemplate = "{{ .System }}\nUser: {{ .Prompt }}\nAssistant: ";
constexpr const char* kLicense =
    "The sample models of castool are made from nothing and may be used for anything.\n";
constexpr const char* kAttributes =
    "*.bin filter=lfs diff=lfs merge=lfs -text\n*.gguf filter=lfs diff=lfs merge=lfs -text\n";

std::shared_ptr<const Content> text(std::string bytes) {
  return std::make_shared<MemoryContent>(std::move(bytes));
}

std::shared_ptr<const Content> noise(std::uint64_t size, std::uint64_t seed) {
  return std::make_shared<SyntheticContent>(size, seed);
}

// One input, one result: the smallest network that OpenVINO's IR format (version 11) can say.
std::string network(const std::string& name) {
  return fmt::format(R"(<?xml version="1.0"?>
<net name="{}" version="11">
	<layers>
		<layer id="0" name="input_ids" type="Parameter" version="opset1">
			<data shape="?,?" element_type="i64" />
			<output><port id="0" precision="I64" names="input_ids"><dim>-1</dim><dim>-1</dim></port></output>
		</layer>
		<layer id="1" name="result" type="Result" version="opset1">
			<input><port id="0" precision="I64"><dim>-1</dim><dim>-1</dim></port></input>
		</layer>
	</layers>
	<edges>
		<edge from-layer="0" from-port="0" to-layer="1" to-port="0" />
	</edges>
</net>
)",
                     name);
}

Catalog::Contents make_ir_files() {
  const ordered_json config = {{"architectures", {"LlamaForCausalLM"}},
                               {"model_type", "llama"},
                               {"hidden_size", 256},
                               {"num_hidden_layers", 1},
                               {"num_attention_heads", 4},
                               {"vocab_size", 512},
                               {"max_position_embeddings", 512}};
  const ordered_json generation = {{"bos_token_id", 1}, {"eos_token_id", 2}, {"do_sample", false}};
  return {{".gitattributes", text(kAttributes)},
          {"README.md", text("# tiny-ir\n\nA sample in the shape of an OpenVINO model.\n")},
          {"config.json", text(config.dump(2) + "\n")},
          {"generation_config.json", text(generation.dump(2) + "\n")},
          {"chat_template.jinja", text("{% for m in messages %}{{ m.content }}\n{% endfor %}")},
          {"openvino_model.xml", text(network("tiny-ir"))},
          {"openvino_model.bin", noise(2'500'000, 11)},
          {"openvino_tokenizer.xml", text(network("tokenizer"))},
          {"openvino_tokenizer.bin", noise(200'000, 12)},
          {"openvino_detokenizer.xml", text(network("detokenizer"))},
          {"openvino_detokenizer.bin", noise(100'003, 13)},
          {"assets/notes/first note.txt", text("a name with a space\n")},
          {"assets/notes/100% #1.txt", text("a name that has to be encoded\n")},
          {"assets/notes/\xc3\xbc\x62\x65r.txt", text("a name beyond ASCII\n")},
          {"assets/__init__.py", text("")}};
}

ordered_json descriptor(const std::string& media_type, const Content& content) {
  return {
      {"mediaType", media_type}, {"digest", sha256_of(content).text()}, {"size", content.size()}};
}

void write_file(const fs::path& path, const Content& content) {
  fs::create_directories(path.parent_path());
  std::ofstream file(path, std::ios::binary);
  file << bytes_of(content);
  if (!file.flush()) throw std::runtime_error("cannot write " + path.string());
}

}  // namespace

Sample::Sample() : ir_files_(make_ir_files()) {
  const auto model = text(make_gguf("tiny", 1));
  gguf_files_ = {{".gitattributes", text(kAttributes)},
                 {"README.md", text("# tiny-gguf\n\nA sample GGUF of one block.\n")},
                 {"tiny-F32.gguf", model}};
  const ordered_json config = {
      {"model_format", "gguf"}, {"model_family", "llama"}, {"model_families", {"llama"}},
      {"model_type", "1.1M"},   {"file_type", "F32"},      {"architecture", "amd64"},
      {"os", "linux"}};
  const ordered_json params = {{"stop", {"User:"}}, {"temperature", 0.5}};
  layers_ = {text(config.dump()), model, text(kTemplate), text(params.dump()), text(kLicense)};
  const std::string image = "application/vnd.ollama.image.";
  const ordered_json manifest = {
      {"schemaVersion", 2},
      {"mediaType", "application/vnd.docker.distribution.manifest.v2+json"},
      {"config", descriptor("application/vnd.docker.container.image.v1+json", *layers_[0])},
      {"layers",
       {descriptor(image + "model", *layers_[1]), descriptor(image + "template", *layers_[2]),
        descriptor(image + "params", *layers_[3]), descriptor(image + "license", *layers_[4])}}};
  manifest_ = manifest.dump();
}

void Sample::add_to(Catalog& catalog, std::uint64_t lfs_threshold) const {
  catalog.add_commit("sample/tiny-gguf", "main", gguf_files_, lfs_threshold);
  catalog.add_commit("sample/tiny-ir", "main", ir_files_, lfs_threshold);
  for (const auto& layer : layers_) catalog.add_blob(kModelId, layer);
  catalog.add_manifest(kModelId, "latest", manifest_);
}

void Sample::write_to(const fs::path& root) const {
  for (const auto& [path, content] : gguf_files_) {
    write_file(root / "hub/sample/tiny-gguf" / path, *content);
  }
  for (const auto& [path, content] : ir_files_) {
    write_file(root / "hub/sample/tiny-ir" / path, *content);
  }
  const fs::path model = root / "registry" / kModelId;
  for (const auto& layer : layers_) {
    write_file(model / "blobs" / ("sha256-" + sha256_of(*layer).hex()), *layer);
  }
  write_file(model / "manifests/latest", MemoryContent(manifest_));
}

}  // namespace castool::hub
