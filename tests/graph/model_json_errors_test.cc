// What is wrong with JSON that is to be a model: every mistake has a message with file, line and field.
#include <gtest/gtest.h>

#include "graph/model_json/model_json.h"
#include "graph/model_json/read.h"
#include "tests/graph/mnn_fixture.h"

namespace quantpress::graph {
namespace {

using testing::TempFolder;
using testing::WriteFile;

struct Mistake {
  const char* name;
  std::string text;
  std::string message;  // behind the path
};

class ModelJsonErrors : public ::testing::TestWithParam<Mistake> {};

TEST_P(ModelJsonErrors, HasAMessage) {
  TempFolder folder;
  WriteFile(folder / "m.json", GetParam().text);
  const auto result = RestoreModel(folder / "m.json", folder / "out.mnn", {});
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(Message(result.status()), folder / "m.json" + GetParam().message);
  EXPECT_EQ(folder.List(), std::vector<std::string>{"m.json"});
}

std::string InOp(const std::string& fields) {
  return "{\"tensorName\": [\"x\"], \"oplists\": [\n{\"name\": \"a\",\n" + fields + "}]}";
}

std::string Deep(int tables) {
  std::string text = "{\"oplists\": [";
  for (int i = 0; i < tables; ++i) text += R"({"main_type": "LoopParam", "main": {"commands": [{"op": )";
  return text;
}

INSTANTIATE_TEST_SUITE_P(All, ModelJsonErrors, ::testing::ValuesIn(std::vector<Mistake>{
    {"Array", "[]", ":1: not a model; expected an object"},
    {"Number", "12", ":1: not a model; expected an object"},
    {"Text", "\"x\"", ":1: not a model; expected an object"},
    {"NotJson", "{\"oplists\": [\n{]}", ":2: oplists[0]: not valid JSON: syntax error while parsing object key - unexpected ']'; expected string literal"},
    {"CutOff", "{\"oplists\": [", ":1: oplists[0]: not valid JSON: syntax error while parsing value - unexpected end of input; expected '[', '{', or a literal"},
    {"Trailing", "{} {}", ":1: not valid JSON: syntax error while parsing value - unexpected '{'; expected end of input"},
    {"UnknownField", "{\n\"oplist\": []}", ":2: MNN 3.6 has no field \"oplist\" there"},
    {"UnknownFieldOfOp", InOp("\"typ\": \"Input\""), ":3: oplists[0]: MNN 3.6 has no field \"typ\" there"},
    {"Twice", InOp("\"type\": \"Input\", \"type\": \"Input\""), ":3: oplists[0].type: stands twice in the same object"},
    {"UnknownName", InOp("\"type\": \"Inputt\""), ":3: oplists[0].type: MNN 3.6 has no \"Inputt\" there"},
    {"Null", InOp("\"type\": null"), ":3: oplists[0].type: null is not possible; leave the field out"},
    {"ObjectForName", InOp("\"type\": {}"), ":3: oplists[0].type: found an object; expected a name"},
    {"TextForList", InOp("\"inputIndexes\": \"x\""), ":3: oplists[0].inputIndexes: found \"x\"; expected a list"},
    {"NumberForList", InOp("\"inputIndexes\": 1"), ":3: oplists[0].inputIndexes: found 1; expected a list"},
    {"ListForNumber", InOp("\"type\": [1]"), ":3: oplists[0].type: found a list; expected a name"},
    {"ListInList", InOp("\"inputIndexes\": [0, [1]]"), ":3: oplists[0].inputIndexes[1]: found a list; expected a whole number"},
    {"TextInList", InOp("\"inputIndexes\": [0, 1, \"x\"]"), ":3: oplists[0].inputIndexes[2]: found \"x\"; expected a whole number"},
    {"FractionForInt", InOp("\"inputIndexes\": [1.5]"), ":3: oplists[0].inputIndexes[0]: found 1.5; expected a whole number"},
    {"IntTooBig", InOp("\"inputIndexes\": [2147483648]"), ":3: oplists[0].inputIndexes[0]: 2147483648 is not possible; expected -2147483648 to 2147483647"},
    {"IntTooSmall", InOp("\"inputIndexes\": [-2147483649]"), ":3: oplists[0].inputIndexes[0]: -2147483649 is not possible; expected -2147483648 to 2147483647"},
    {"LongTooBig", InOp("\"main_type\": \"Blob\", \"main\": {\"external\": [9223372036854775808]}"),
     ":3: oplists[0].main.external[0]: 9223372036854775808 is not possible; expected -9223372036854775808 to 9223372036854775807"},
    {"ByteTooBig", InOp("\"main_type\": \"Blob\", \"main\": {\"uint8s\": [1,\n256]}"), ":4: oplists[0].main.uint8s[1]: 256 is not possible; expected 0 to 255"},
    {"FloatTooBig", InOp("\"main_type\": \"Blob\", \"main\": {\"float32s\": [1, 1e39]}"), ":3: oplists[0].main.float32s[1]: 1e39 is not a number of 32 bits"},
    {"FloatAsText", InOp("\"main_type\": \"Blob\", \"main\": {\"float32s\": [1, \"1\"]}"), ":3: oplists[0].main.float32s[1]: \"1\" is not a number of 32 bits"},
    {"BareNan", InOp("\"main_type\": \"Blob\", \"main\": {\"float32s\": [nan]}"), ":3: oplists[0].main.float32s[0]: not valid JSON: syntax error while parsing value - invalid literal; last read: '\"float32s\": [na'; values that are no numbers are \"NaN\", \"Infinity\" and \"-Infinity\""},
    {"NumberForText", "{\"bizCode\": 1}", ":1: bizCode: found 1; expected text"},
    {"BytesOfText", "{\"bizCode\": [1, 256]}", ":1: bizCode[1]: 256 is not possible; expected 0 to 255"},
    {"BrokenUtf8", "{\"bizCode\": \"\xE9\"}", ":1: bizCode: not valid JSON: syntax error while parsing value - invalid string: ill-formed UTF-8 byte; last read: '\"\xE9\"'"},
    {"TextForTruth", InOp("\"main_type\": \"Convolution2D\", \"main\": {\"common\": {\"relu\": \"yes\"}}"),
     ":3: oplists[0].main.common.relu: found \"yes\"; expected true or false"},
    {"TruthForInt", InOp("\"inputIndexes\": [true]"), ":3: oplists[0].inputIndexes[0]: found true; expected a whole number"},
    {"MainWithoutType", InOp("\"main\": {\"float32s\": [1]}"), ":3: oplists[0].main: \"main_type\" is missing"},
    {"MainOfNone", InOp("\"main_type\": \"NONE\", \"main\": {}"), ":3: oplists[0].main: there are parameters, but \"main_type\" names no kind of them"},
    {"MainOfUnknown", InOp("\"main_type\": 250, \"main\": {}"), ":3: oplists[0].main: there are parameters, but \"main_type\" names no kind of them"},
    {"LateTypeWrongMain", InOp("\"main\": {\n\"axi\": 1},\n\"main_type\": \"Axis\""), ":4: oplists[0].main: MNN 3.6 has no field \"axi\" there"},
    {"LateTypeWrongValue", InOp("\"main\": {\n\"axis\": \"x\"},\n\"main_type\": \"Axis\""), ":4: oplists[0].main.axis: found \"x\"; expected a whole number"},
    {"TextForMain", InOp("\"main_type\": \"Axis\", \"main\": \"x\""), ":3: oplists[0].main: found \"x\"; expected an object"},
    {"TooDeep", Deep(40), ":1: oplists[0].main.commands[0].op.main.commands[0].op.main.commands[0].op.main.commands[0].op.main.commands[0].op.main.commands[0].op.main.commands[0].op.main.commands[0].op.main.commands[0].op.main.commands[0].op.main.commands[0].op.main.commands[0].op.main.commands[0].op.main.commands[0].op.main.commands[0].op.main.commands[0].op.main.commands[0].op.main.commands[0].op.main.commands[0].op.main.commands[0].op.main.commands[0].op: more than 64 objects in one another"},
}), [](const auto& mistake) { return std::string(mistake.param.name); });

// Mistakes that only a model can have are those of every MNN source.
TEST(ModelJsonErrors, OfTheModel) {
  TempFolder folder;
  const auto message = [&](const std::string& text) {
    WriteFile(folder / "m.json", text);
    return Message(RestoreModel(folder / "m.json", folder / "out.mnn", {}).status());
  };
  const std::string path = "'" + folder / "m.json" + "'";
  EXPECT_EQ(message("{}"), path + ": a graph has no list of ops");
  EXPECT_EQ(message("{\"oplists\": [{\"name\": \"a\", \"type\": \"Input\", \"outputIndexes\": [7]}], \"tensorName\": [\"x\"]}"),
            path + ": op 'a' refers to tensor 7; the graph has 1 tensors");
  WriteFile(folder / "m.json", "");
  EXPECT_EQ(Message(RestoreModel(folder / "m.json", folder / "out.mnn", {}).status()), path + " is empty; expected a model as JSON");
}

}  // namespace
}  // namespace quantpress::graph
